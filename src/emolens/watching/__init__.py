"""A video as a stream of results (`stream`), and what is made of them: series, film, lanes, summary, timeline, page."""
