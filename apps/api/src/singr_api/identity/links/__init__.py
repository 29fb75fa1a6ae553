"""The pages that links in messages lead to, where no web app of yours serves them."""
