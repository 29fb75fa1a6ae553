"""What organizations look like and say in their messages: kept in versions, and worn by those made while they last."""
