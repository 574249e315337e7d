"""The texts of the page of ``compare --html``, in English and Chinese, of which the browser's language decides."""

from markupsafe import Markup

LANGUAGES = {"en": "en", "zh": "zh-CN"}  # a text's key → the attribute ``lang``
TEXTS = {
    "title": {"en": "Comparison of runs", "zh": "训练运行对比"},
    "summary": {"en": "Runs: {runs} · tables: {sections}", "zh": "运行 {runs} 个 · 表格 {sections} 张"},
    "best": {"en": "Best on {data}", "zh": "{data} 上的最佳运行"},
    "differs": {"en": "Differs from the others in", "zh": "与其他运行的不同之处"},
    "mostly": {"en": "mostly {value}", "zh": "多数为 {value}"},
    "other": {"en": "not {value}", "zh": "另一个为 {value}"},
    "repeat": {"en": "Repeat it", "zh": "重复该运行"},
    "deploy": {"en": "Deploy it", "zh": "部署其模型"},
    "no_model": {
        "en": "No model of this run is published here: the command above trains it again.",
        "zh": "此处没有该运行已发布的模型：请用上面的命令重新训练。",
    },
    "no_model_rerun": {
        "en": "No model of this run is published here: with --dry-run, the command above prints one that trains it.",
        "zh": "此处没有该运行已发布的模型：上面的命令加上 --dry-run 会打印可重新训练的命令。",
    },
    "maximize": {"en": "{runs} runs, best by {objective}", "zh": "{runs} 个运行，按 {objective} 评优（越高越好）"},
    "minimize": {
        "en": "{runs} runs, best by {objective} (the lowest)",
        "zh": "{runs} 个运行，按 {objective} 评优（越低越好）",
    },
    "table": {
        "en": "Only what differs is shown. A name opens the folder of the run's artifacts.",
        "zh": "只显示有差异的列。点击名称可打开该运行的产物文件夹。",
    },
    "more": {"en": "{count} more runs", "zh": "其余 {count} 个运行"},
    "printed": {"en": "Columns that are not printed: {count}", "zh": "未打印的列：{count}"},
    "curves": {"en": "Curves of the best runs", "zh": "最佳运行的曲线"},
    "log": {"en": "logarithmic scale", "zh": "对数刻度"},
    "epoch": {"en": "epoch", "zh": "轮次"},
    "parallel": {"en": "Parameters and {objective} of all runs", "zh": "所有运行的参数与 {objective}"},
    "drag": {"en": "Drag along an axis to select runs.", "zh": "沿坐标轴拖动可筛选运行。"},
    "head_id": {"en": "id", "zh": "编号"},
    "head_run": {"en": "run", "zh": "运行"},
    "head_best": {"en": "best", "zh": "最佳"},
    "head_test_accuracy": {"en": "test", "zh": "测试"},
    "head_seconds": {"en": "seconds", "zh": "秒"},
    "head_output": {"en": "output", "zh": "输出"},
    "head_experiment": {"en": "experiment", "zh": "实验"},
    "head_status": {"en": "status", "zh": "状态"},
}


def bilingual(key: str, **values: object) -> Markup:
    """Return a text in all languages, each in an element that a style sheet shows or hides.

    Args:
        key: of ``TEXTS``.
        values: for the text's places; they are escaped.
    """
    spans = (
        Markup('<span lang="{}">{}</span>').format(language, Markup(TEXTS[key][name]).format(**values))
        for name, language in LANGUAGES.items()
    )
    return Markup("").join(spans)
