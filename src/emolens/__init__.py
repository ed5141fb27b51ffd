"""What each face in a photo shows, and how the group looks."""

__version__ = "0.1.0"
