"""Study files: from TOML to studies and the arguments of ``simulate`` or ``sweep``.

A file has one key or table for each argument of a [`jaxsgd.Study`][] under the argument's own name,
except that the oracle's `problem` and `noise` are tables of their own, and for the arguments of
``simulate`` in [`RUN`][jaxsgd.config.RUN]. Four rules cover the rest:

- An object is a table whose ``kind`` names its constructor, in snake case, and whose other keys are
  the constructor's arguments; a string is short for a table with a ``kind`` alone.
- ``kind = "module:function"`` calls the user's own function with the other keys; what it returns is
  the object. A schedule's function that takes ``t`` is itself the schedule, and one of `x0` that takes ``stream`` the
  law of the start.
- As a method, ``kind = "optax:adam"``, or any other function that makes a transformation of optax, stands for
  `methods.Optax` of it: the other keys are its numbers, and the table `schedule` its learning rate.
- A function, such as an observable, is the string ``"module:function"``.

A table `sweep` makes it a file of many studies: its keys are paths to keys of the study, such as
``"schedule.initial"``, ``"x0[0]"`` or ``"x0.std"``, and each has a list of values, or a range as a table ``{from,
to, count, spacing}``. All combinations are run; [`SWEEP`][jaxsgd.config.SWEEP] has what else may be said.

What equal tables at one place describe, in several cells or files, is made once, and a data file is read once.

Modules are found in the folder of the file, too. Nothing is ignored: whatever is not understood
raises `InvalidInput` or `InvalidType` with a message that starts with the file and the path to the key.
"""

from jaxsgd.config.constructors import kinds
from jaxsgd.config.places import located
from jaxsgd.config.study_file import RUN, SWEEP, StudyFile, read, read_all

__all__ = ["RUN", "SWEEP", "StudyFile", "kinds", "located", "read", "read_all"]
