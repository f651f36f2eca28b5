"""``python -m grafana``: write dashboards and rules."""

from grafana import dashboards, rules

if __name__ == "__main__":
    dashboards.write()
    rules.write()
