"""Pictures in: a path, folder, glob, URL, bytes, data URI, Pillow or array becomes upright RGB pixels, in limits."""
