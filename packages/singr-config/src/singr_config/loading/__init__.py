"""From the environment to sections: what is read, what follows from it, and what is wrong with it."""
