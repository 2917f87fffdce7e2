// Where the players of others are, for pages that the tests serve: nothing here is run.
