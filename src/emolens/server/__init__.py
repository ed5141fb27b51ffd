"""The service and its page: pictures in over HTTP, answers out, nothing kept.

service.py      what is allowed: limits, key, hosts
problems.py     every refusal: a status, one line, and when to come again
admission.py    who may come in: the queue, one client's share, bytes held
bodies.py       a request's body as pictures, in memory only
worker.py       the one model worker, which takes what has gathered as one batch
photos.py       a photo for the eye: upright, or drawn on
films.py        a short video and its timeline
guards.py       around every answer: headers, host, origin, key, log
metrics.py      what Prometheus reads
schema.py       the answers as OpenAPI tells them
examples.py     what it shows as requests and answers
app.py          the routes
running.py      the door: a socket, uvicorn, a clean end
web/            the page
"""
