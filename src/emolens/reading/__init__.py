"""What each model is given of a picture, and what it says of that."""
