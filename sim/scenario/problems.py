"""The ways a request can be wrong and a figure can be weak."""

from __future__ import annotations

import warnings


class RequestError(ValueError):
    """The request was wrong; the message says where, what was given, what is allowed and what to do."""


class TypedWarning(UserWarning):
    """Something to know about a result; the message says what to do."""

    @classmethod
    def say(cls, text: str) -> None:
        """Warn, as if the caller's caller had."""
        warnings.warn(text, cls, stacklevel=3)


class FigureWarning(TypedWarning):
    """A figure can't bear its weight; the message says which one, why, and the remedy."""


class FewReplicationsWarning(FigureWarning):
    """Too few replications for the intervals to be trusted."""


class StratumWarning(FigureWarning):
    """A stratum has nobody, or too few for its figures to bear their weight."""


class UndefinedFigureWarning(FigureWarning):
    """A share of the virtual trials has nobody at risk where the figure is read."""


class CautionWarning(FigureWarning):
    """A scenario's own caution."""


class HorizonWarning(FigureWarning):
    """Figures are asked for later than anything that the model rests on was followed."""


class AgeWarning(FigureWarning):
    """Patients are older than anybody who is transplanted."""


class CutOffWarning(FigureWarning):
    """The bounds of a distribution cut off much of it, so that its mean or median is not what is drawn."""


class UnpairedWarning(FigureWarning):
    """Two scenarios have not the same patients, so that they are compared without pairing them."""


class IncomparableWarning(UnpairedWarning):
    """Two scenarios are no treatment and alternative, so that their difference is no effect."""


class OtherFiguresWarning(FigureWarning):
    """Figures simulated anew are not those of the run that they should be."""


class OverloadWarning(FigureWarning):
    """More patients arrive than the clinic can treat, so that waits have no steady level."""


class PrecisionWarning(FigureWarning):
    """The precision asked for was not reached before the cap on replications."""


class DamagedChunkWarning(TypedWarning):
    """A stored chunk was damaged, and has been simulated again."""


class LeftBehindWarning(TypedWarning):
    """An unfinished study is left alone, since it is of another request."""


class FewAtRiskWarning(FigureWarning):
    """A figure is read where few patients are still at risk."""


class BeyondFollowUpWarning(FigureWarning):
    """A figure is read later than the last patient was followed."""


class UnmetPointWarning(FigureWarning):
    """No values of the parameters meet all targets exactly, so that there is a posterior without a point."""


class OverlapWarning(FigureWarning):
    """New patients are unlikely under nearly all draws of the posterior that they are learned from."""


class FittedTwiceWarning(FigureWarning):
    """Patients who were learned from already are learned from, or predicted, again."""


class UnlikeModelWarning(FigureWarning):
    """What patients showed lies outside of what the model leaves open once it has learned from them."""


class EffectiveSizeWarning(FigureWarning):
    """A posterior rests on too few effective draws."""


class HeldValueWarning(FigureWarning):
    """A parameter of a posterior keeps a scenario's own value."""


class UnfittedDrawWarning(FigureWarning):
    """A posterior file draws a parameter that the scenario's calibration did not fit."""


class FewDrawsWarning(FigureWarning):
    """Too few draws of what is not known for what is asked of them."""


class SensitivityWarning(FigureWarning):
    """Shares of what is not known can't bear their weight."""


class SlowStudyWarning(TypedWarning):
    """What is asked takes long, though less would do."""


class NoisyDrawsWarning(FigureWarning):
    """What single draws differ by is mostly Monte Carlo error."""


class ReconstructedWarning(FigureWarning):
    """Patients were made to reproduce a published curve, and are nobody's data."""
