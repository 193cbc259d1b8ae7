"""Fresh and bursting news, clickbait against trust; catalogue and users are generated."""
