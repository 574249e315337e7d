"""The words of the page, in English and in Chinese."""

from markupsafe import Markup

LANGUAGES = ("en", "zh")
TEXTS: dict[str, tuple[str, str]] = {
    # how it ended
    "running": (
        "State at {time}: {progress}. Where neither success nor failure lies beside this page, the job still runs or"
        " was killed.",
        "{time} 的状态：{progress}。若旁边既没有 success 也没有 failure 文件，说明作业仍在运行，或已被强制终止。",
    ),
    "epochs_done": ("epoch {epoch} of {epochs} has ended", "已完成第 {epoch} 轮，共 {epochs} 轮"),
    "trials_done": ("{count} trials have ended", "已完成 {count} 次试验"),
    "finished": ("Finished at {time}, after {duration}.", "完成于 {time}，用时 {duration}。"),
    "stopped": ("Stopped at {time}: {message}", "于 {time} 停止：{message}"),
    "failed": ("Failed at {time}: {message}", "于 {time} 失败：{message}"),
    # the result
    "result": ("Result", "结果"),
    "validation": ("validation", "验证集"),
    "training": ("training", "训练集"),
    "val_accuracy": ("validation accuracy", "验证准确率"),
    "val_loss": ("validation loss", "验证损失"),
    "test_accuracy": ("test accuracy", "测试准确率"),
    "test_loss": ("test loss", "测试损失"),
    "best_epoch": ("best epoch", "最佳轮次"),
    "best_trial": ("best trial", "最佳试验"),
    "trial_counts": ("Trials: {counts}.", "试验：{counts}。"),
    "not_tested": (
        "The test images are looked at once, at the end, by the best epoch's weights.",
        "测试集只在最后用最佳轮次的权重评估一次。",
    ),
    # what was trained
    "trained": ("What was trained", "训练内容"),
    "model": ("model", "模型"),
    "data": ("data", "数据"),
    "sizes": (
        "{name}: {train} training, {validation} validation, {test} test images of {shape} in {classes} classes",
        "{name}：训练 {train} 张，验证 {validation} 张，测试 {test} 张；尺寸 {shape}，{classes} 个类别",
    ),
    "differences": ("differs from the defaults", "与默认配置的差异"),
    "no_differences": ("nothing", "无"),
    "note": ("note", "备注"),
    "tags": ("tags", "标签"),
    # curves
    "curves": ("Curves", "训练曲线"),
    "error_by_epoch": ("wrong answers, by epoch (log scale)", "错误率随轮次变化（对数坐标）"),
    "loss_by_epoch": ("loss, by epoch (log scale)", "损失随轮次变化（对数坐标）"),
    "value_by_trial": ("{objective}, by trial", "各次试验的 {objective}"),
    "best_marked": ("The dotted line marks the best epoch.", "虚线标出最佳轮次。"),
    # the test split
    "test": ("On the test images", "测试集表现"),
    "confusion": (
        "Rows: the true class; columns: the predicted one. Right answers lie on the diagonal.",
        "行为真实类别，列为预测类别；对角线上为正确预测。",
    ),
    "confused": ("Most frequent mistakes", "最常见的错误"),
    "class": ("class", "类别"),
    "precision": ("precision", "精确率"),
    "recall": ("recall", "召回率"),
    "f1": ("F1", "F1"),
    "images": ("images", "图像数"),
    "true_class": ("true class", "真实类别"),
    "predicted_class": ("predicted", "预测类别"),
    "worst_classes": ("The {count} classes with the lowest F1:", "F1 最低的 {count} 个类别："),
    "mistakes": (
        "{errors} of {images} answers are wrong. Those of which the model was surest: the true class → the predicted"
        " one, and the probability it gave.",
        "{images} 张中有 {errors} 张预测错误。以下是模型最有把握的错误：真实类别 → 预测类别，以及给出的概率。",
    ),
    "no_mistakes": ("All {images} answers are right.", "{images} 张全部预测正确。"),
    # what to do with it
    "repeat": ("Repeat it", "重复这次训练"),
    "continue": ("Continue or repeat the study", "继续或重复这次搜索"),
    "repeat_best": ("the best trial alone:", "只重复最佳试验："),
    "deploy": ("Deploy it", "部署"),
    "deploy_platform": (
        "On the platform: model path = this folder's {folder}, inference code = the code of this job, boot file ="
        " predict.py. It answers POST /ModelMaker/predict on port 10000.",
        "在平台上：模型组件路径选择本文件夹中的 {folder}，推理代码与本作业相同，启动文件填写 predict.py。服务在"
        " 10000 端口响应 POST /ModelMaker/predict。",
    ),
    "deploy_computer": (
        "On a computer, from the project's folder; then open http://127.0.0.1:10000/. PATH stands for where this folder"
        " lies.",
        "在自己的电脑上，于项目目录中运行，然后打开 http://127.0.0.1:10000/。PATH 表示本文件夹所在的路径。",
    ),
    "served": ("Version {version} is served: {metric}.", "提供服务的是版本 {version}：{metric}。"),
    "own_model": (
        "The model of this run is not among the versions, since one of them is no worse or since nothing was to be"
        " published. It lies in {directory}.",
        "本次训练的模型不在版本之中：已有版本不比它差，或设置为不发布。它位于 {directory}。",
    ),
    "none_yet": ("No model has been published.", "尚未发布模型。"),
    # the folder
    "files": ("What lies in this folder", "本文件夹的内容"),
    "path": ("PATH stands for where this folder lies.", "PATH 表示本文件夹所在的路径。"),
    "file_model": (
        "SavedModels, one folder a version, only ever complete; the highest number is served. TensorFlow Serving takes"
        " the folder as it is.",
        "SavedModel 模型，每个版本一个文件夹，只包含完整的版本；编号最大的版本用于服务。"
        "可直接交给 TensorFlow Serving。",
    ),
    "file_best": (
        "which version is served, its metrics, its data, its run; below versions the same of all versions",
        "当前提供服务的版本及其指标、数据和运行；versions 下列出所有版本",
    ),
    "file_mlflow": (
        "MLflow's record of all runs: parameters, metrics of each epoch, pictures, models. To open it:",
        "MLflow 记录：参数、每轮指标、图片和模型。打开方式：",
    ),
    "file_logs": (
        "a folder a run: train.log, the whole config (.hydra/), result.json for programs, what TensorFlow and MLflow"
        " printed",
        "每次运行一个文件夹：train.log、完整配置（.hydra/）、供程序读取的 result.json，"
        "以及 TensorFlow 和 MLflow 的输出",
    ),
    "file_tensorboard": ("event files. To open them:", "TensorBoard 事件文件。打开方式："),
    "file_studies": ("Optuna's storage; the same command continues the study", "Optuna 存储；重复同一命令可继续搜索"),
    "file_checkpoints": ("what is needed to go on with a stopped run", "继续已停止的训练所需的文件"),
    "file_end": (
        "one of them is there at the end: success holds the result, the first line of failure is the cause",
        "结束时二者必有其一：success 中是结果，failure 的第一行是原因",
    ),
    "file_page": ("this page", "本页面"),
    "runs": ("Runs in this folder", "本文件夹中的运行"),
    "trials": ("The best trials", "最佳试验"),
    "run": ("run", "运行"),
    "trial": ("trial", "试验"),
    "status": ("status", "状态"),
    "values": ("values", "取值"),
}


def text(key: str, **values: object) -> Markup:
    """Return a text in both languages, of which the page shows one; the values are escaped."""
    return Markup("").join(
        Markup('<span lang="{}">{}</span>').format(language, Markup(template).format(**values))
        for language, template in zip(LANGUAGES, TEXTS[key], strict=True)
    )
