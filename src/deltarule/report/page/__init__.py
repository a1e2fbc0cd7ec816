"""Page: what the page of an explanation is made of: its data and its script."""
