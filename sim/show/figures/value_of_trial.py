"""What a further trial is worth before an arm is chosen, against the patients in each arm."""

from __future__ import annotations

from matplotlib.figure import Figure

from sim.show.kit import style
from sim.show.kit.axis import Axis
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import cautions
from sim.show.trial_worth import found_sentences, perfect, trials
from sim.show.worth import agrees, told
from sim.work.results import Results

_WIDE, _TALL = 5.0, 2.8


@style.styled
def of_study(results: Results) -> Figure | None:
    """Draw the worth of trials of several sizes; None of fewer than two, or if no choice changes."""
    if "value" not in results.tables or agrees(results) or len(trials(results)) < 2:
        return None
    rows, most = trials(results), perfect(results)
    page = style.sheet(
        " ".join(found_sentences(results)), sentences("power", "worth_lines"),
        [results.scenario.title, *cautions(results.scenario)],
        0.85 + _WIDE + 0.4, _TALL + 0.8,
    )  # fmt: skip
    panel = page.axes(0.85, 0.55, _WIDE, _TALL)
    panel.fill_between(rows["patients"], rows["lower"], rows["upper"], color=style.BLUE, alpha=0.2, lw=0)
    panel.plot(rows["patients"], rows["value"], "o-", color=style.BLUE, ms=5, mec="white", mew=0.6, lw=1.8)
    panel.axhline(most, color=style.INK, lw=1, ls=style.DASHES)
    where = panel.get_yaxis_transform()
    style.aside(panel, "to know all", (0, most), (4, 4), where, size=style.NOTE_SIZE)
    along = Axis.of(rows, "patients")
    along.dress(panel, "")
    panel.set_xlim(*along.span(None, 0.06))
    panel.set_xlabel("patients in each arm of a further trial")
    panel.set_ylabel(f"worth, {told(results)['unit_text']}")
    panel.set_ylim(0, 1.12 * max(most, float(rows["upper"].max())) or 1.0)
    panel.grid(axis="y")
    return page.figure
