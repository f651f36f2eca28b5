"""The dashboards alive: what docker-compose.yml describes as processes of this machine, faults on purpose, pictures.

``compose`` runs the services, ``prometheus`` scrapes them, ``story`` lets happen what dashboards are for, ``answers``
asks every query of every panel, and ``draw/`` draws the answers with Grafana's own components. ``python -m
grafana.live`` does all of it and needs the programs ``prometheus``, ``node``, ``npm`` and ``chromium``.
"""
