"""Users whose tastes are fitted on ratings: the factorisation, its cache, raters and the users drawn around them."""
