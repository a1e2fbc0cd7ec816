"""Words of gradients per sample."""

WORDS = {
    "samples.title": ("Gradients per sample", "逐样本梯度"),
    "samples.count": (
        "Number of samples: {samples}. Their gradients come from one backward pass over one recorded loss.",
        "样本数：{samples}。所有梯度来自同一次记录的损失和同一次反向传播。",
    ),
    "samples.mean": (
        "The loss is a mean over samples: the mean of the gradients below is the gradient of the batch.",
        "损失对样本取平均：下面各梯度的平均值就是批量梯度。",
    ),
    "samples.sum": (
        "The loss is a sum over samples: the sum of the gradients below is the gradient of the batch.",
        "损失对样本求和：下面各梯度之和就是批量梯度。",
    ),
    "samples.mixed": (
        "Samples meet before the loss, in {places}: each gradient is what goes through the rows of its "
        "sample, and may tell of the others too.",
        "样本在损失之前已在 {places} 中相互影响：每个梯度只计经过该样本所在行的部分，"
        "其中也可能含有其他样本的影响。",
    ),
    "samples.even": (
        "A term that belongs to no single sample (such as weight decay) is shared out evenly in: {names}.",
        "不属于任何单个样本的项（如权重衰减）在以下参数中平均分摊：{names}。",
    ),
    "samples.against_count": (
        "Samples that pull against the batch (negative cosine): {count} of {samples}.",
        "{samples} 个样本中有 {count} 个与批量梯度方向相反（余弦为负）。",
    ),
    "samples.noise": (
        "Gradient noise scale: {scale}. A batch of about that many samples has as much noise as signal in "
        "its gradient.",
        "梯度噪声尺度：{scale}。批量大小约为该值时，梯度中的噪声与信号相当。",
    ),
    "samples.zero": ("The gradient of the batch is exactly 0.", "批量梯度恰好为零。"),
    "samples.not_finite": (
        "The gradient of the batch is not finite: it holds NaN or infinity.",
        "批量梯度中含有 NaN 或无穷大。",
    ),
    "samples.no_signal": (
        "No signal stands out of the noise: the gradients of the samples point every way.",
        "梯度信号淹没在噪声中：各样本的梯度方向杂乱。",
    ),
    "samples.hardest": ("Which samples pull hardest, and which way", "哪些样本的梯度最大，方向如何"),
    "samples.against": ("Which pull hardest against the batch", "哪些样本与批量梯度反向最强"),
    "samples.sample": ("sample", "样本"),
    "samples.norm": ("norm", "范数"),
    "samples.cosine": ("cosine with the batch", "与批量梯度的余弦"),
    "samples.share": ("share of the batch gradient", "占批量梯度的份额"),
    "samples.layers": ("Layer by layer", "逐层"),
    "samples.layer": ("layer", "层"),
    "samples.median": ("median norm", "范数中位数"),
    "samples.largest": ("largest norm", "最大范数"),
    "samples.opposed": ("pull against", "反向样本"),
    "samples.noise_scale": ("noise scale", "噪声尺度"),
    "samples.pulled_by": ("hardest samples", "梯度最大的样本"),
    "samples.all": ("all", "全部"),
    "samples.norms_chart": (
        "Norms of the gradients, from the hardest pull to the weakest",
        "梯度范数（由大到小）",
    ),
    "samples.rank": ("rank of the sample", "样本排名"),
    "samples.norms_map": (
        "Norm of each sample's gradient over its layer's mean",
        "各样本梯度范数与所在层平均值之比",
    ),
    "samples.cosines_map": ("Cosine of each sample's gradient with the batch", "各样本梯度与批量梯度的余弦"),
}
