"""The causes in ``failure`` and a job's states: each kind in English, as the code says it, and in Chinese."""

import io
import re
import string
import sys
from pathlib import Path

import pytest

from support.entry import PROJECT
from trialmaker.platform import failure_causes, result_files
from trialmaker.platform.bilingual_texts import SEPARATOR, line, read_texts, split_line
from trialmaker.platform.emulator import states
from trialmaker.platform.failure_causes import bilingual_cause, recognize

INSTANCE = "instance 2 of 3 (10.0.0.2:2222)"
GOES_ON = "the same command goes on, on any number of instances"
HAS_LAW = "hydra.sweeper.study_name=… names another study, or those values"
# Key → a message of that form as the code writes it, and what its Chinese must have of it.
CAUSES = {
    "stopped_before": ("stopped by SIGTERM before the first step", "SIGTERM 停止"),
    "stopped_platform": (
        "stopped by SIGTERM at epoch 3, step 96; best val_accuracy=0.9 of epoch 2;"
        " a job with this output as its input file resume goes on from there",
        "第 3 轮、第 96 步被信号 SIGTERM 停止；新建训练任务，并将本输出作为名为 resume 的输入文件",
    ),
    "stopped_here": (
        "stopped by SIGINT at epoch 3, step 96; best val_accuracy=0.9 of epoch 2; the same command goes on from there",
        "第 3 轮、第 96 步被信号 SIGINT 停止；再次运行同一命令即可从该处继续",
    ),
    "stopped_study": (
        "stopped by SIGTERM after 12 trials; the next at epoch 3, step 96; the same command goes on from there",
        "完成 12 次试验后被信号 SIGTERM 停止",
    ),
    "stopped": ("stopped by SIGTERM before it went on", "被信号 SIGTERM 停止"),
    "killed": (
        "the process vanished: it was killed, perhaps for want of memory, or has crashed;"
        " a smaller training.batch_size or model needs less memory",
        "训练进程已消失：可能因内存不足",
    ),
    "time_over": ("training.max_seconds=5: was over before the data had been read", "training.max_seconds=5：数据尚未"),
    "diverged": (
        "loss became nan at step 7 (epoch 2): lower optimizer.learning_rate, or limit the gradients with"
        " optimizer.global_clipnorm=1",
        "第 2 轮、第 7 步的 loss 变为 nan；请减小 optimizer.learning_rate",
    ),
    "no_space": (
        "/o: no space left (1.5 MB free): a run needs 8 MB and five times the size of its model; make space, or choose"
        " another output=…",
        "/o：磁盘空间不足（剩余 1.5 MB）",
    ),
    "no_memory": (
        "not enough memory (Unable to allocate 1 EiB): take a smaller training.batch_size, model or"
        " training.max_examples, or a machine with more",
        "内存不足；请减小 training.batch_size",
    ),
    "no_memory_batch": (
        "training.batch_size=9: training on images of 9x9x1 takes at least 9.0 GB of memory, and 2.0 GB can be had;"
        " training.batch_size=2 fits",
        "至少需要 9.0 GB，可用 2.0 GB",
    ),
    "no_memory_file": (
        "/d/a.zip: takes 9.0 GB of memory, expected at most the 2.0 GB that are free; use a smaller one, or a machine"
        " with more memory",
        "/d/a.zip：内存不足，需要 9.0 GB",
    ),
    "no_memory_pictures": (
        "9 pictures of 9 x 9 x 1 bytes take 9.0 GB of memory, expected at most 2.0 GB; choose a smaller data.height and"
        " data.width",
        "9 张图片需要 9.0 GB",
    ),
    "output_unusable": (
        "/o: Permission denied: the output must be a folder that can be written to",
        "/o：输出目录不可写",
    ),
    "unreadable": ("/i: Permission denied: it must be readable", "/i：无法读取"),
    "output_gone": ("/o/logs/r: is gone: it was removed while the run wrote to it; start the run again", "被删除"),
    "output_busy": (
        "/o/j: another process works on this run; end it, or choose another output=…",
        "/o/j：另一个进程正在使用该输出",
    ),
    "no_data_folder": ("no data set: /a b is no readable folder; expected MNIST", "没有数据集：目录 /a b 不存在"),
    "no_data_empty": ("no data set: /a b is empty; expected MNIST", "没有数据集：目录 /a b 是空的"),
    "no_data_files": ("no data set: /a b holds c.txt and d.txt; expected MNIST", "没有数据集：/a b 中没有可用的"),
    "no_data_parts": (
        "no data set: /d holds a.gz; /d/a.gz lies there without its test labels; expected MNIST",
        "/d/a.gz 缺少配套的文件（test labels）",
    ),
    "no_data": ("no data set: /d train-images lies there without its train-labels; expected MNIST", "没有数据集；请把"),
    "no_classes": (
        "/d: expected train/<class>/*.jpg or *.png, there or one folder below, found nothing",
        "/d：缺少图片目录",
    ),
    "no_download": (
        "can't download a.gz: no route; put it into /d by hand, or name another mirror in data.mirrors",
        "无法下载 a.gz",
    ),
    "several_data": ("/d holds a and b: say which one, such as data.variant=a", "请指定其一，例如 data.variant=a"),
    "few_pictures": (
        "/d: expected at least 3 pictures in train/a, one for each split that has no folder of its own, found 1",
        "/d：train/a 中至少需要 3 张图片",
    ),
    "no_init_weights": (
        "init_model=/m: expected a published model, or one .keras or .weights.h5 file, found none",
        "init_model=/m：需要一个已发布的模型",
    ),
    "wrong_data": ("/d/a.gz: expected an IDX file, found text", "/d/a.gz：数据不符合要求"),
    "wrong_data_cause": ("/config: expected a folder of config files", "/config：内容不符合要求"),
    "no_run": ("resume=x: is no run of /o/logs: it has none that can be gone on with", "resume=x：找不到这次运行"),
    "run_busy": ("resume=x: another process works on it: wait for its end, or stop it", "另一个进程正在继续"),
    "resume": ("resume=x: its checkpoint is gone, from which it would go on: /c", "resume=x：无法继续这次运行"),
    "nothing_to_resume": (
        "/input/resume: holds no interrupted run to go on with; resume=never starts anew",
        "没有可以继续的被中断的运行",
    ),
    "other_run": (
        "/input/resume: its run r is another: seed=1 there, 2 here; give the same, or resume=never starts anew",
        "其中的运行 r 与本次的参数",
    ),
    "other_version": (
        "/c: its checkpoint was written by another version of TrialMaker (its format is 1, not 2);"
        " resume=never starts anew",
        "/c：检查点由另一版本",
    ),
    "earlier_output": (
        "/f: Is a directory: the earlier job's output must be copied to this one's; mend it, or resume=never starts"
        " anew",
        "/f：无法复制之前训练任务的输出",
    ),
    "no_init_model": ("init_model=/m: there is no such file or folder", "init_model=/m：没有这个文件或目录"),
    "init_model": ("init_model=/m: is not a model that this project published", "init_model=/m：无法用作初始模型"),
    "tracking": ("MLflow tracking at http://m failed: it cannot be reached: start it", "无法写入 MLflow（http://m）"),
    "one_not_come": (
        f"{INSTANCE} has not come within 300 s: start the job again, give training.instances_seconds more, or train on"
        " the first alone with instances=ignore",
        f"{INSTANCE} 在 300 秒内未到达；请重新启动训练任务",
    ),
    "not_come": (
        f"{INSTANCE}, instance 3 of 3 (a:1) have not come within 300 s: start the job again",
        "(a:1) 在 300 秒内未到达；",
    ),
    "not_connected": (
        f"{INSTANCE} cannot be reached: TensorFlow has not connected the 3 instances within 60 s; start the job again",
        "未能在限定时间内建立连接",
    ),
    "lost_instance": (f"TensorFlow has lost an instance: reset; {GOES_ON}", "训练中有实例失去连接"),
    "chief_ended": ("the first instance ended with exit code 1", "第一个实例已结束，退出码 1"),
    "instance_port": (
        f"{INSTANCE}: the instances' port cannot be opened (Address in use): another process has it",
        "实例的端口无法打开",
    ),
    "too_many_instances": (
        "9 instances: must be no more than the training examples, 4: use at most 4 of them",
        "9 个实例：实例个数不能多于训练样本数",
    ),
    "instance_gone": (
        f"{INSTANCE} is gone: its connection has ended; {GOES_ON}",
        "第 2 个实例（共 3 个，10.0.0.2:2222）",
    ),
    "instance_silent": (f"{INSTANCE} gives no sign of life for 60 s; {GOES_ON}", "没有响应"),
    "instance_ended": (f"{INSTANCE} has ended: no data set", "已结束"),
    "instance_differs": (f"{INSTANCE} differs from the first: the command is a there, b here", "与第一个实例不一致"),
    "resource_file": ("/opt/ai/config/resource.json: is no JSON (x)", "config/resource.json：实例列表无法识别"),
    "study_failed": ("study s: 9 of 20 trials failed, max_failure_rate=0.4; the last: x", "20 次试验中有 9 次失败"),
    "study_row": (
        "study s: the last 3 trials failed, max_consecutive_failures=3; the last: x",
        "最近 3 次试验连续失败",
    ),
    "study_empty": ("study s: no trial completed; the last: x", "超参数搜索 s：没有一次试验完成"),
    "study_differs": (f"study s in /o/s.log has seed=1, not 2; {HAS_LAW}", "超参数搜索 s 已有的设置"),
    "study_domain": (f"seed: study s has A for it, not B; {HAS_LAW}", "seed：超参数搜索 s 已有的取值范围"),
    "study_storage": (
        "grpc://h:1, the study's storage, has not answered for 60 s (UNAVAILABLE): start the command that serves it",
        "grpc://h:1 在 60 秒内没有响应",
    ),
    "storage": ("hydra.sweeper.storage=/f: is no regular file; name another one", "无法用作超参数搜索的存储"),
    "worker_killed": ("worker 2 was killed by signal 9 before it began a trial", "工作进程 2 在开始试验之前被信号 9"),
    "worker_ended": ("worker 2 ended with exit code 1: x; see /l", "工作进程 2 已结束，退出码 1"),
    "did_you_mean": (
        "--modle cnn: there is no such field or group; did you mean model?",
        "--modle cnn：没有这个参数；是否应为 model？",
    ),
    "no_such_field": ("training.x: there is no such field", "training.x：没有这个参数"),
    "field_of_other": (
        "model.filters: model=mlp has no filters; cnn has it",
        "model=mlp 没有参数 filters；cnn 有该参数",
    ),
    "field_of_others": (
        "optimizer.rho: optimizer=lion has no rho; rmsprop, adadelta have it",
        "optimizer=lion 没有参数 rho；rmsprop, adadelta 有该参数",
    ),
    "no_word": (
        "cnn: is neither a parameter nor the value of one; write --name value",
        "cnn：既不是参数，也不是参数的值",
    ),
    "needs_value": ("--lr: needs a value, which must be a number", "--lr：缺少参数值"),
    "takes_no_value": ("--resolve=x: takes no value", "--resolve=x：不能带参数值"),
    "twice": (
        "--lr 1 and optimizer.learning_rate=2: two values for optimizer.learning_rate; leave one of them out",
        "optimizer.learning_rate 有两个值",
    ),
    "not_number": ("--lr fast: must be a number", "--lr fast：必须是数字"),
    "not_whole": ("--epochs 1.5: must be a whole number", "--epochs 1.5：必须是整数"),
    "not_finite": ("optimizer.learning_rate=inf: must be a finite number", "必须是有限的数"),
    "not_truth": ("data.download=maybe: must be true or false", "必须是 true 或 false"),
    "not_list": ("model.hidden_units=3: must be a list, such as [128,64]", "必须是列表"),
    "too_small": ("training.epochs=0: must be at least 1", "training.epochs=0：不能小于 1"),
    "too_large": ("data.channels=9: must be at most 3", "不能大于 3"),
    "not_more": ("optimizer.learning_rate=0: must be more than 0", "必须大于 0"),
    "not_less": ("model.dropout_rate=1: must be less than 1", "必须小于 1"),
    "empty": ("tracking.experiment=: must not be empty", "不能为空"),
    "not_among_near": (
        "optimizer=adm: must be one of adam, sgd; did you mean adam or sgd?",
        "optimizer=adm：必须是 adam, sgd 之一；是否应为 adam 或 sgd？",
    ),
    "not_among": ("precision=x: must be one of auto, float32", "precision=x：必须是 auto, float32 之一"),
    "not_theirs": (
        "/c/a.yaml: output: is for whoever runs the command to set: type it",
        "/c/a.yaml：输入文件中的配置不能设置 output",
    ),
    "law": ('name="": must not be blank; null for a name that TrialMaker makes', "取值不符合要求"),
    "yaml": ("/c/m.yaml: cannot be read as YAML: x", "/c/m.yaml：不是有效的 YAML 文件"),
    "own_file": ("/c/cnn.yaml: TrialMaker has a config file of that name: rename yours", "请改名"),
    "batch_too_large": (
        "training.batch_size=9 is more than the 4 training examples: lower it",
        "training.batch_size=9 大于训练样本数 4",
    ),
    "batch_too_small": ("training.batch_size=2 is less than the 4 GPUs that share out each batch", "太小"),
    "deleted_field": ("~seed: a field can't be deleted, and this one must be a whole number", "~seed：不能删除参数"),
    "deleted_group": ("~model: a group can't be deleted; choose one of cnn, mlp", "请从 cnn, mlp 中选择"),
    "deleted_part": (
        "~training: a part of the config can't be deleted; set its fields",
        "~training：不能删除一部分配置",
    ),
    "no_name": ("+=: there is no name in it", "+=：缺少参数名"),
    "study_field": ("hydra.sweeper.n_trials: is a field of studies: choose one, such as sweeps=mlp", "请先选择一个"),
    "study_space": ("grpc://h:1: no space is left where the study is stored", "grpc://h:1：超参数搜索的存储所在磁盘"),
    "study_setting": ("hydra.sweeper.params: there is nothing to search", "hydra.sweeper.params：超参数搜索的设置有误"),
    "not_safe": ("/m: its SavedModel does not only compute, but holds PyFunc; it is not run", "出于安全不予运行"),
    "incomplete_model": ("/m: is no complete model, a.index missing; copy the whole folder", "/m：模型不完整"),
    "best_record": ("/b.json: is not the record of a best model (x): remove it", "/b.json：最佳模型的记录已损坏"),
    "bug": ("ZeroDivisionError: division by zero", "程序内部错误（ZeroDivisionError）"),
    "other": ("whatever else may be wrong", "训练失败，原因见前面的英文说明"),
}
TEXTS = read_texts(Path(failure_causes.__file__))
STATES = read_texts(Path(states.__file__))


@pytest.mark.parametrize("key", TEXTS)
def test_each_kind_of_cause_has_its_chinese(key: str) -> None:
    cause, chinese = CAUSES[key]
    assert recognize(cause, is_bug=key == "bug")[0] == key
    whole = bilingual_cause(cause, is_bug=key == "bug")
    assert split_line(whole)[0] == cause and whole.startswith(f"{cause}{SEPARATOR}") and chinese in whole


@pytest.mark.parametrize("texts", [TEXTS, STATES])
def test_each_text_is_there_in_both_languages_and_chinese_takes_no_place_of_its_own(
    texts: dict[str, dict[str, str]],
) -> None:
    for key, text in texts.items():
        english, chinese = ({name for _, name, _, _ in string.Formatter().parse(text[one]) if name} for one in text)
        assert list(text) == ["en", "zh"] and chinese <= english and not text["zh"].isascii(), key


def test_the_forms_are_those_of_the_code() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in sorted((PROJECT / "src").rglob("*.py")))
    code = re.sub(r'"\s*f?"', "", code)  # of strings over several lines
    for key, text in TEXTS.items():
        for part in re.split(r"\{\w+\}|[:;,()?]", text["en"]):
            assert part.strip() in code, f"{key}: {part}"


def test_each_line_of_failure_has_both_languages_and_a_traceback_stays_as_it_is(tmp_path: Path) -> None:
    result_files.write_failure(tmp_path, "--lr fast: must be a number\na / b: must be more than 0")
    assert (tmp_path / "failure").read_text() == (
        "--lr fast: must be a number / --lr fast：必须是数字\na / b: must be more than 0 / a/b：必须大于 0\n"
    )
    result_files.write_failure(tmp_path, "KeyError: 'x'", "Traceback …\nKeyError: 'x'\n")
    assert (tmp_path / "failure").read_text() == (
        "KeyError: 'x' / 程序内部错误（KeyError），详细信息见下方的 Traceback\nTraceback …\nKeyError: 'x'\n"
    )


def test_the_parts_of_a_line_are_told_apart() -> None:
    assert split_line(line({"en": "a / b", "zh": "甲 / 乙"})) == ("a / b", "甲/乙")
    assert split_line("a / b") == ("a / b", "") and split_line("") == ("", "")


def test_a_state_is_in_english_alone_where_chinese_cannot_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    states.print_state("finish")
    assert re.fullmatch(rb"\[\d\d:\d\d:\d\d\] FINISH\n", raw.getvalue())
