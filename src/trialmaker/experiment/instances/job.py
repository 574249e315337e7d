"""The instances that a command works on."""

from contextlib import suppress

from trialmaker.config.schema import Config
from trialmaker.errors import UserError
from trialmaker.platform.instances import ALONE, Instances, find_instances


def of_job(config: Config) -> Instances:
    """Return the instances that a command works on; with ``instances=ignore`` one, whatever the file says.

    Raises:
        UserError: it is unclear which there are, or which of them this is; or there are several.
    """
    if config.instances == "ignore":
        with suppress(UserError):
            find_instances(index=config.training.instance_index)
        return ALONE
    instances = find_instances(index=config.training.instance_index)
    if instances.is_several:
        raise UserError(f"{instances.line()}: training runs on one; instances=ignore does")
    return instances
