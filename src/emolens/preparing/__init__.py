"""What is made of pictures and videos before anything is learnt from them, without torch.

wanted.py       what SOURCE means: photos, a folder, a data set, a table
faces.py        faces found, cut out and aligned; projection.py: features of whole pictures
legacy.py       the folder-of-npz layout of the hybrid group system; legacy_reading.py: read back; object_arrays.py: its
                pickled arrays, read without being run
skeletons.py    skeletons drawn and kept, from keypoints
frames.py       key frames of videos into folders and a table; frames_plot.py: how they were chosen
"""
