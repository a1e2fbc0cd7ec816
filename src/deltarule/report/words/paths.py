"""Words of the paths from a loss to one value."""

WORDS = {
    "paths.title": ("Paths from {loss} to {target}", "从 {loss} 到 {target} 的路径"),
    "paths.count": (
        "Number of paths: {count}. The gradient is the sum over all of them, each the product of the local "
        "gradients on its way.",
        "路径总数：{count}。梯度是所有路径之和，每条路径的值是沿途局部梯度的乘积。",
    ),
    "paths.by_use": (
        "Where an operation uses a value several times (as x · x does) this counts once; with each use "
        "by itself "
        "there are {count}.",
        "同一运算多次使用同一个值（如 x · x）时只计一次；若每次使用分别计数，则为 {count}。",
    ),
    "paths.each_use": (
        "Below, several uses of a value by one operation are told apart: {count} paths.",
        "下面把同一运算对同一个值的多次使用分开：共 {count} 条路径。",
    ),
    "paths.complete": (
        "All were followed; their sum differs from the engine's gradient by {deviation}, relative to its "
        "largest "
        "element.",
        "所有路径均已追踪；其和与引擎所算梯度的偏差为 {deviation}（相对于梯度的最大元素）。",
    ),
    "paths.vanished": (
        "Exactly nothing passes on {count} of them.",
        "其中 {count} 条路径上传递的梯度恰好为零。",
    ),
    "paths.dropped": (
        "{followed} were followed to the end: at each value the {width} largest went on, and {dropped} "
        "paths were "
        "left there. The list holds the largest that were followed.",
        "追踪到底的有 {followed} 条：在每个值处只让最大的 {width} 条继续，其余 {dropped} 条未追踪。"
        "列表给出的是已追踪路径中最大的。",
    ),
    "paths.closed": (
        "{count} groups stayed closed, since the graph would have become too large.",
        "为避免计算图过大，有 {count} 个组保持未展开。",
    ),
    "paths.largest": ("The largest paths", "最大的路径"),
    "paths.rank": ("No.", "序号"),
    "paths.way": ("From the loss back", "从损失往回"),
    "paths.operations": ("Through", "经过的运算"),
    "paths.product": ("Local gradients", "局部梯度"),
    "paths.size": ("Size", "大小"),
    "paths.share": ("Share of the gradient", "占梯度的份额"),
    "paths.value": ("Contribution", "贡献"),
    "paths.use": ("{operation} (input {position})", "{operation}（第 {position} 个输入）"),
    "paths.sizes_chart": ("Sizes of all paths that were followed", "已追踪路径的大小"),
    "paths.shares_chart": (
        "Shares of the gradient, which sum to 1 over all paths",
        "占梯度的份额（所有路径之和为 1）",
    ),
    "paths.numbered": ("path {number}", "路径 {number}"),
    "paths.sizes": ("size", "大小"),
    "paths.order": ("rank", "名次"),
    "paths.along": ("The gradient's size along the largest paths", "沿最大路径的梯度大小"),
    "paths.edge": ("operations passed", "经过的运算数"),
}
