"""Pictures for people: annotated photos, the emotion wheel, what they are drawn with."""
