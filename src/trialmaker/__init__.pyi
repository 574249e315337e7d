from trialmaker.api.names import (
    Classifier as Classifier,
)
from trialmaker.api.names import (
    Study as Study,
)
from trialmaker.api.names import (
    TrainedRun as TrainedRun,
)
from trialmaker.api.names import (
    UserError as UserError,
)
from trialmaker.api.names import (
    load_model as load_model,
)
from trialmaker.api.names import (
    runs as runs,
)
from trialmaker.api.names import (
    study as study,
)
from trialmaker.api.names import (
    train as train,
)
