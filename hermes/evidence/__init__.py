"""Evidence: what attackers did, as events, recordings and the story they add up to."""
