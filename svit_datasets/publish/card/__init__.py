"""What a published folder says of itself: the card, Croissant, names."""
