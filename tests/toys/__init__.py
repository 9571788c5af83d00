"""Small models that stress the contract."""
