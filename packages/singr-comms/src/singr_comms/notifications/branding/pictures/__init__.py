"""Pictures that strangers bring for mails: read to their last byte, and written anew with what draws them alone."""
