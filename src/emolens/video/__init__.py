"""Frames in and frames out, through PyAV (the extra `video`), which brings ffmpeg's codecs."""

from emolens.video.ahead import frames_ahead
from emolens.video.opening import is_video
from emolens.video.reading import VideoFrame, VideoReader
from emolens.video.writing import VideoWriter

__all__ = ["VideoFrame", "VideoReader", "VideoWriter", "frames_ahead", "is_video"]
