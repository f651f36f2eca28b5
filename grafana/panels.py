"""The kinds of panels that the dashboards are made of, each with what Grafana's own defaults leave wrong set right.

Only stat, timeseries, bargauge, table and text: these can be drawn without a Grafana server (``grafana/live``), so a
picture of every dashboard is looked at. The builders of grafana-foundation-sdk hide legends, reduce a stat by nothing
and number no panel; whoever adds a panel goes through here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, stat, table, text, timeseries
from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.builders import prometheus as builders
from grafana_foundation_sdk.models import common as words
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus as prometheus_models
from grafana_foundation_sdk.models.text import TextMode

from grafana.queries import chosen

DATASOURCE: Final = words.DataSourceRef(type_val="prometheus", uid="${datasource}")

Queries: TypeAlias = Sequence[tuple[str, str]]
"""Pairs of an expression and the legend of its series."""

Steps: TypeAlias = Sequence[tuple[float | None, str]]
"""Thresholds: from this value on this colour, the first one without a value."""

Stacking: TypeAlias = Literal["none", "normal", "percent"]

Thing = TypeVar("Thing")

QUIET: Final[Steps] = ((None, "text"),)
"""For a number that is neither good nor bad."""


def number(  # noqa: PLR0913 - each is a word that its caller says
    title: str,
    description: str,
    queries: Queries,
    *,
    unit: str,
    steps: Steps = QUIET,
    no_value: str = "",
    decimals: int | None = None,
) -> models.Panel:
    """Return a panel with a number, or with one for each query and its name."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .thresholds(_thresholds(steps))
        .color_scheme(_color("thresholds"))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(values=False))
        .graph_mode(words.BigValueGraphMode.NONE)
        .color_mode(words.BigValueColorMode.VALUE)
        .text_mode(words.BigValueTextMode.AUTO)
        .span(4)
        .height(3)
    )
    if no_value:
        panel.no_value(no_value)
    if decimals is not None:
        panel.decimals(decimals)
    for letter, (expression, legend) in _lettered(queries):
        panel.with_target(_query(letter, expression, legend).instant())
    return panel.build()


def graph(  # noqa: PLR0913 - each is a word that its caller says
    title: str,
    description: str,
    queries: Queries,
    *,
    unit: str,
    stacking: Stacking = "none",
    colors: Mapping[str, str] | None = None,
    no_value: str = "",
    least: float | None = 0,
    width: int = 8,
) -> models.Panel:
    """Return a panel with lines over time; ``colors`` are those of series whose names are known."""
    stacked = stacking != "none"
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .color_scheme(_color("palette-classic"))
        .line_width(1)
        .fill_opacity(70 if stacked else 10)
        .show_points(words.VisibilityMode.AUTO)
        .stacking(common.StackingConfig().mode(words.StackingMode(stacking)).group("A"))
        .legend(
            common.VizLegendOptions()
            .show_legend(show_legend=True)
            .display_mode(words.LegendDisplayMode.LIST)
            .placement(words.LegendPlacement.BOTTOM)
            .calcs([])
        )
        .tooltip(common.VizTooltipOptions().mode(words.TooltipDisplayMode.MULTI).sort(words.SortOrder.DESCENDING))
        .span(width)
        .height(7)
    )
    if least is not None:
        panel.min(least)
    if no_value:
        panel.no_value(no_value)
    for letter, (expression, legend) in _lettered(queries):
        panel.with_target(_query(letter, expression, legend).range())
    for name, color in (colors or {}).items():
        panel.override_by_name(
            name, [models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})]
        )
    return panel.build()


def bars(
    title: str, description: str, query: tuple[str, str], *, unit: str, most: float | None = None, width: int = 8
) -> models.Panel:
    """Return a panel with a bar per series, as of now."""
    panel = (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .color_scheme(_color("fixed").fixed_color("blue"))
        .thresholds(_thresholds(QUIET))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(values=False))
        .display_mode(words.BarGaugeDisplayMode.GRADIENT)
        .orientation(words.VizOrientation.HORIZONTAL)
        .show_unfilled(show_unfilled=True)
        .span(width)
        .height(7)
    )
    if most is not None:
        panel.max(most)
    panel.with_target(_query("A", *query).instant())
    return panel.build()


class Column:
    """A column of numbers in a table.

    Args:
        name: Its heading.
        expression: Its values, one per row; rows are told apart by the labels that it keeps.
        unit: Their unit.
        steps: Colours of its values; by default none.
    """

    def __init__(self, name: str, expression: str, *, unit: str = "short", steps: Steps = ()) -> None:
        self.name = name
        self.expression = expression
        self.unit = unit
        self.steps = steps


def listing(  # noqa: PLR0913 - each is a word that its caller says
    title: str,
    description: str,
    *,
    rows: Mapping[str, str],
    columns: Sequence[Column],
    mappings: Mapping[str, Mapping[str, str]] | None = None,
    no_value: str = "",
    width: int = 24,
    height: int = 6,
) -> models.Panel:
    """Return a table of now: a row for each combination of labels, a column for each label and each expression.

    Args:
        title: What the rows are.
        description: What a bad value means.
        rows: Labels and the headings of their columns.
        columns: Numbers; the first expression decides which rows there are, one without a heading is not shown.
        mappings: Colours of words, by heading.
        no_value: What to say when there are no rows.
        width: Of 24.
        height: In units of Grafana's grid.
    """
    names = {column.name: f"Value #{letter}" for letter, column in _lettered(columns)}
    if len(columns) == 1:
        names = {columns[0].name: "Value"}
    shown = [*rows, *(names[column.name] for column in columns if column.name)]
    organize = {
        "excludeByName": {"Time": True, **({names[""]: True} if "" in names else {})},
        "indexByName": {name: place for place, name in enumerate(shown)},
        "renameByName": {**rows, **{own: name for name, own in names.items() if name}},
    }
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit("short")
        .thresholds(_thresholds(QUIET))
        .show_header(show_header=True)
        .cell_height(words.TableCellHeight.SM)
        .with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(models.DataTransformerConfig(id_val="organize", options=organize))
        .span(width)
        .height(height)
    )
    if no_value:
        panel.no_value(no_value)
    for letter, column in _lettered(columns):
        panel.with_target(
            _query(letter, column.expression, "").instant().format(prometheus_models.PromQueryFormat.TABLE)
        )
        if column.name:
            panel.override_by_name(column.name, _looks(column))
    for heading, colors in (mappings or {}).items():
        results = {word: models.ValueMappingResult(color=color, index=0) for word, color in colors.items()}
        panel.override_by_name(
            heading,
            [
                models.DynamicConfigValue(id_val="mappings", value=[models.ValueMap(options=results)]),
                models.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}),
            ],
        )
    return panel.build()


def words_of(title: str, content: str, *, width: int = 8, height: int = 7) -> models.Panel:
    """Return a panel with Markdown."""
    panel = text.Panel().title(title).mode(TextMode.MARKDOWN).content(content).span(width).height(height)
    return panel.description("What to do.").build()


def _looks(column: Column) -> list[models.DynamicConfigValue]:
    looks = [models.DynamicConfigValue(id_val="unit", value=column.unit)]
    if column.steps:
        looks += [
            models.DynamicConfigValue(id_val="thresholds", value=_thresholds(column.steps).build()),
            models.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}),
        ]
    return looks


def _query(letter: str, expression: str, legend: str) -> builders.Dataquery:
    query = builders.Dataquery().datasource(DATASOURCE).expr(chosen(expression)).ref_id(letter)
    return query.legend_format(legend or "__auto")


def _lettered(things: Sequence[Thing]) -> list[tuple[str, Thing]]:
    return [(chr(ord("A") + place), thing) for place, thing in enumerate(things)]


def _thresholds(steps: Steps) -> board.ThresholdsConfig:
    made = [models.Threshold(value=value, color=color) for value, color in steps]
    return board.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(made)


def _color(mode: str) -> board.FieldColor:
    return board.FieldColor().mode(models.FieldColorModeId(mode))
