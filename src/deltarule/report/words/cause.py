"""Words of causes why a network does not train: a title, what is the matter, and names of the evidence."""

WORDS = {
    "cause.title.inputs_not_finite": ("The inputs hold NaN or infinity", "输入中含有 NaN 或无穷大"),
    "cause.why.inputs_not_finite": (
        "{share} of the input elements are NaN or infinite. One of them makes the loss and every gradient "
        "NaN.",
        "输入元素中有 {share} 是 NaN 或无穷大。只要有一个，损失和所有梯度就都会变成 NaN。",
    ),
    "cause.title.targets_not_finite": ("The targets hold NaN or infinity", "目标值中含有 NaN 或无穷大"),
    "cause.why.targets_not_finite": (
        "{share} of the targets are NaN or infinite, and so is the loss.",
        "目标值中有 {share} 是 NaN 或无穷大，损失因此也是。",
    ),
    "cause.title.inputs_constant": ("All inputs are the same", "所有输入都相同"),
    "cause.why.inputs_constant": (
        "No feature differs between the samples, so that there is nothing to tell them apart by.",
        "各样本的所有特征都没有差别，无从区分。",
    ),
    "cause.title.targets_constant": ("All targets are the same", "所有目标值都相同"),
    "cause.why.targets_constant": (
        "Every sample has the target {value}: a constant is the perfect answer, and nothing else is learned.",
        "每个样本的目标值都是 {value}：只要输出常数就能全部答对，学不到别的东西。",
    ),
    "cause.title.weights_not_finite": (
        "Weights of {layer} are NaN or infinite",
        "{layer} 的权重中有 NaN 或无穷大",
    ),
    "cause.why.weights_not_finite": (
        "{names}: a single weight that is NaN makes the loss and every gradient NaN. They were so before "
        "the first update: loaded, or set by hand.",
        "{names}：只要有一个权重是 NaN，损失和所有梯度就都会变成 NaN。它们在第一次更新之前就已如此：可能是加"
        "载进来的，或手动设置的。",
    ),
    "cause.title.all_frozen": (
        "Nothing is trained: every parameter is frozen",
        "没有任何参数在训练：全部参数都被冻结",
    ),
    "cause.why.all_frozen": (
        "All parameters, {parameters} arrays of them, have requires_grad=False: they get no gradient and "
        "keep their values for ever.",
        "全部参数（共 {parameters} 个数组）的 requires_grad 都是 False：得不到梯度，值永远不变。",
    ),
    "cause.title.loss_not_connected": (
        "The loss is not connected with any parameter",
        "损失与任何参数都没有连通",
    ),
    "cause.why.loss_not_connected": (
        "The network's output depends on its parameters, but the loss, {loss}, is not recorded as computed "
        "from that output: none of the {parameters} parameters gets a gradient. Something in between left "
        "the graph: detach, no_grad, item, or a step through NumPy.",
        "网络的输出依赖其参数，但损失（{loss}）没有作为由该输出计算而来的结果被记录：{parameters} 个参数都得"
        "不到梯度。两者之间有某一步离开了计算图：detach、no_grad、item，或经过 NumPy 的运算。",
    ),
    "cause.title.not_connected": (
        "No gradient reaches {layer}: it is not connected with the loss",
        "梯度无法到达 {layer}：该层与损失没有连通",
    ),
    "cause.why.not_connected": (
        "The loss does not depend on {names}. Either the layer is not used in forward, or its result is cut "
        "off by detach, no_grad or a step outside the recorded graph.",
        "损失不依赖 {names}。可能是该层没有在 forward 中使用，或者结果被 detach、no_grad 或计算图之外的操作"
        "切断。",
    ),
    "cause.title.not_optimised": (
        "{layer} has gradients, but the optimiser does not know it",
        "{layer} 有梯度，但不在优化器中",
    ),
    "cause.why.not_optimised": (
        "The optimiser was not given {names}: they keep their first values for ever.",
        "优化器没有收到 {names}：这些参数将一直停在初始值。",
    ),
    "cause.title.learning_rate_zero": ("The learning rate is 0", "学习率为 0"),
    "cause.why.learning_rate_zero": (
        "After {updates} updates every weight is what it was before them.",
        "经过 {updates} 次更新，所有权重仍与更新前完全相同。",
    ),
    "cause.title.softmax_before_loss": (
        "Softmax is applied twice: in {layer} and in the loss",
        "softmax 用了两次：{layer} 中一次，损失中又一次",
    ),
    "cause.why.softmax_before_loss": (
        "{loss} expects logits and applies softmax itself, but it is given probabilities. The loss cannot "
        "come near 0, and the gradients are a fraction of what they should be.",
        "{loss} 需要 logits，并会自行计算 softmax，而这里传入的却是概率。损失无法接近 0，梯度也只剩应有的一"
        "小部分。",
    ),
    "cause.title.sigmoid_before_loss": (
        "A sigmoid stands before a loss that expects logits: in {layer}",
        "损失需要 logits，而 {layer} 先做了 sigmoid",
    ),
    "cause.why.sigmoid_before_loss": (
        "{loss} expects logits, but it is given values between 0 and 1: it cannot become sure of any answer.",
        "{loss} 需要 logits，而传入的值只在 0 与 1 之间：网络对任何答案都无法给出高置信度。",
    ),
    "cause.title.activation_before_loss": (
        "{operation} bounds the logits before the loss: in {layer}",
        "{layer} 中的 {operation} 在损失之前限制了 logits",
    ),
    "cause.why.activation_before_loss": (
        "{loss} expects logits of any size and sign. {operation} cuts them off, and where it does no "
        "gradient passes.",
        "{loss} 需要任意大小、任意符号的 logits。{operation} 会截断它们，被截断之处没有梯度通过。",
    ),
    "cause.title.log_softmax_missing": (
        "The loss takes log-probabilities, but is given something else",
        "损失需要对数概率，得到的却不是",
    ),
    "cause.why.log_softmax_missing": (
        "{loss} only picks the target's element and negates it. Without log-softmax before it the loss has "
        "no lower bound: it falls for ever while nothing is learned.",
        "{loss} 只取出目标类别对应的元素再取负。之前若没有 log_softmax，损失就没有下界：它会一直下降，却什么"
        "也没学到。",
    ),
    "cause.title.output_out_of_reach": (
        "The targets lie outside of what {operation} can give: in {layer}",
        "目标值超出了 {layer} 中 {operation} 的输出范围",
    ),
    "cause.why.output_out_of_reach": (
        "Targets go from {smallest_target} to {largest_target}, but the network ends with {operation}, "
        "which never gives some of these values.",
        "目标值在 {smallest_target} 到 {largest_target} 之间，但网络最后一步是 {operation}，其中一部分值永远"
        "取不到。",
    ),
    "cause.title.equal_units": ("Units of {layer} are copies of each other", "{layer} 的单元彼此完全相同"),
    "cause.why.equal_units": (
        "{share} of its {units} units have the same weights and the same gradients as another one, so that "
        "they stay equal for ever: the symmetry has to be broken by random first values.",
        "{units} 个单元中有 {share} 与另一个单元权重相同、梯度也相同，因此会永远相同：必须用随机初值打破对称"
        "性。",
    ),
    "cause.title.feature_dominates": ("One input feature drowns all others", "某一个输入特征淹没了其余特征"),
    "cause.why.feature_dominates": (
        "Feature {feature} (counted from 0) is about {times} times as large as the others. The learning "
        "rate that it bears is far too small for them.",
        "第 {feature} 个特征（从 0 数起）大约是其他特征的 {times} 倍。它所能承受的学习率，对其他特征来说远远"
        "太小。",
    ),
    "cause.title.inputs_not_standardised": ("The inputs are not standardised", "输入没有标准化"),
    "cause.why.inputs_not_standardised": (
        "Inputs have mean {mean} and standard deviation {std}; networks start out for inputs of mean 0 and "
        "standard deviation 1.",
        "输入的均值为 {mean}，标准差为 {std}；而网络的初始化是按均值 0、标准差 1 的输入设计的。",
    ),
    "cause.title.targets_not_standardised": ("The targets are not standardised", "目标值没有标准化"),
    "cause.why.targets_not_standardised": (
        "Targets have mean {mean} and standard deviation {std}, while outputs start near 0: the first loss "
        "is {loss}, and its gradient is as large.",
        "目标值的均值为 {mean}，标准差为 {std}，而输出起初在 0 附近：初始损失达 {loss}，梯度也同样大。",
    ),
    "cause.title.saturated_by_inputs": (
        "{layer} is saturated, because the inputs are not standardised",
        "{layer} 饱和，原因是输入没有标准化",
    ),
    "cause.why.saturated_by_inputs": (
        "{saturated} of its {operation} values lie where the derivative is nearly 0: the inputs, of size "
        "{inputs_rms}, give pre-activations of standard deviation {input_std}.",
        "{operation} 的值中有 {saturated} 落在导数几乎为 0 的区域：大小为 {inputs_rms} 的输入使净输入的标准"
        "差达到 {input_std}。",
    ),
    "cause.title.saturated_by_weights": (
        "{layer} is saturated, because its weights are too large",
        "{layer} 饱和，原因是权重尺度过大",
    ),
    "cause.why.saturated_by_weights": (
        "{saturated} of its {operation} values lie where the derivative is nearly 0. Weights of size "
        "{weight_rms}, about {times} times the usual {usual_rms}, give pre-activations of standard "
        "deviation {input_std}.",
        "{operation} 的值中有 {saturated} 落在导数几乎为 0 的区域。权重大小为 {weight_rms}，约为通常值 "
        "{usual_rms} 的 {times} 倍，使净输入的标准差达到 {input_std}。",
    ),
    "cause.title.dead_units": ("Units behind {layer} are dead", "{layer} 之后的单元大量死亡"),
    "cause.why.dead_units": (
        "{dead} of the {units} units are 0 for every sample, so that no gradient reaches their weights and "
        "they stay so. Their pre-activations have mean {input_mean} and standard deviation {input_std}.",
        "{units} 个单元中有 {dead} 对所有样本都输出 0，梯度无法到达它们的权重，因此不会恢复。净输入（激活前"
        "的值）均值为 {input_mean}，标准差为 {input_std}。",
    ),
    "cause.title.vanishing_by_activation": (
        "The gradient vanishes over depth, because of {operation}",
        "梯度随深度消失，原因是 {operation} 激活",
    ),
    "cause.why.vanishing_by_activation": (
        "On its way back through {layers} layers the gradient shrinks by a factor of {rate} per layer: "
        "{left} of it is left. The derivative of {operation} is 1/4 at most.",
        "梯度反向经过 {layers} 层，每层乘以约 {rate}，最后只剩 {left}。{operation} 的导数最大只有 1/4。",
    ),
    "cause.title.vanishing_by_weights": (
        "The gradient vanishes over depth, because the weights are too small",
        "梯度随深度消失，原因是权重过小",
    ),
    "cause.why.vanishing_by_weights": (
        "On its way back through {layers} layers the gradient shrinks by a factor of {rate} per layer: "
        "{left} of it is left. Weights of size {weight_rms} are {times} times the usual {usual_rms}.",
        "梯度反向经过 {layers} 层，每层乘以约 {rate}，最后只剩 {left}。权重大小为 {weight_rms}，是通常值 "
        "{usual_rms} 的 {times} 倍。",
    ),
    "cause.title.exploding_over_depth": (
        "The gradient explodes over depth, because the weights are too large",
        "梯度随深度爆炸，原因是权重过大",
    ),
    "cause.why.exploding_over_depth": (
        "Over {layers} layers gradients or values grow by a factor of {rate} per layer, {grown} in all. "
        "Weights of size {weight_rms} are about {times} times the usual {usual_rms}.",
        "经过 {layers} 层，梯度或数值每层放大约 {rate} 倍，总共 {grown} 倍。权重大小为 {weight_rms}，约为通"
        "常值 {usual_rms} 的 {times} 倍。",
    ),
    "cause.title.memory_too_short": (
        "{layer} forgets: the gradient vanishes through time",
        "{layer} 记不住：梯度随时间消失",
    ),
    "cause.why.memory_too_short": (
        "A gradient that enters this {kind} at the last of {steps} steps is multiplied by {rate} per step: "
        "{remains} of it is left at the first, and a thousandth after {horizon} steps. The recurrent "
        "spectral radius is {radius}.",
        "从 {steps} 步序列的末尾进入该 {kind} 的梯度，每步乘以 {rate}：到第一步只剩 {remains}，约 {horizon} "
        "步后只剩千分之一。循环权重的谱半径为 {radius}。",
    ),
    "cause.title.recurrence_explodes": (
        "The gradient explodes through time in {layer}",
        "{layer} 中梯度随时间爆炸",
    ),
    "cause.why.recurrence_explodes": (
        "A gradient that enters this {kind} at the last of {steps} steps is multiplied by {rate} per step, "
        "{grown} in all. The recurrent spectral radius is {radius}; above 1 a gradient may grow without end.",
        "从 {steps} 步序列的末尾进入该 {kind} 的梯度，每步乘以 {rate}，总共放大 {grown} 倍。循环权重的谱半径"
        "为 {radius}；大于 1 时梯度可能无限增长。",
    ),
    "cause.title.overflows": (
        "Values overflow: the weights of {layer} are too large",
        "数值溢出：{layer} 的权重过大",
    ),
    "cause.why.overflows": (
        "The loss or a gradient is NaN or infinite, although all weights and data are numbers. Weights of "
        "size {weight_rms} are about {times} times the usual {usual_rms}. Updates that were too long make "
        "them so.",
        "权重和数据都是有限的数，但损失或梯度是 NaN 或无穷大。权重大小为 {weight_rms}，约为通常值 "
        "{usual_rms} 的 {times} 倍。更新步长过大会造成这种情况。",
    ),
    "cause.title.loss_not_finite": ("The loss or its gradient is not a number", "损失或其梯度不是有限的数"),
    "cause.why.loss_not_finite": (
        "Weights and data are numbers, and the weights are of usual size, but the loss is {loss}, or a "
        "gradient is NaN or infinite: some operation gives that, such as a logarithm, a root or a division "
        "of 0.",
        "权重和数据都是有限的数，权重大小也正常，但损失为 {loss}，或某个梯度是 NaN 或无穷大：由某个运算产"
        "生，例如对 0 取对数、开方或除以 0。",
    ),
    "cause.title.overconfident_start": ("The first outputs are far from uniform", "初始输出远离均匀分布"),
    "cause.why.overconfident_start": (
        "Before it has learned anything the network is sure of its answers: the first loss is {loss} where "
        "equal probabilities give {uniform}. Its logits have a spread of {spread}.",
        "网络还什么都没学到，就已经对答案很确信：初始损失为 {loss}，而各类概率相等时只有 {uniform}。logits "
        "的离散程度为 {spread}。",
    ),
    "cause.title.learning_rate_too_high": (
        "The learning rate is too high, by about {factor}",
        "学习率过高，约为合适值的 {factor} 倍",
    ),
    "cause.why.learning_rate_too_high": (
        "With learning rate {learning_rate} the loss goes from {loss_before} to {loss_after}. Steps of "
        "about 1/{factor} of that length would lower it.",
        "学习率为 {learning_rate} 时，损失从 {loss_before} 变为 {loss_after}。步长约为其 1/{factor} 时损失才"
        "会下降。",
    ),
    "cause.title_beyond.learning_rate_too_high": (
        "The learning rate is too high, by more than {least_factor}",
        "学习率过高，超过合适值的 {least_factor} 倍",
    ),
    "cause.why_beyond.learning_rate_too_high": (
        "With learning rate {learning_rate} the loss goes from {loss_before} to {loss_after}. No step "
        "that was tried, however short, lowers it.",
        "学习率为 {learning_rate} 时，损失从 {loss_before} 变为 {loss_after}。试过的步长再短，也不能使损失下"
        "降。",
    ),
    "cause.title.learning_rate_too_low": (
        "The learning rate is too low, by about {factor}",
        "学习率过低，约为合适值的 1/{factor}",
    ),
    "cause.why.learning_rate_too_low": (
        "With learning rate {learning_rate} a step changes the weights by {update_ratio} of their size, "
        "where about 10⁻³ is usual as a rule of thumb, and a step about {factor} times as long would lower "
        "the loss more.",
        "学习率为 {learning_rate} 时，每步对权重的改变只有其大小的 {update_ratio}，经验上约为 10⁻³；步长再长"
        "约 {factor} 倍，损失会下降得更多。",
    ),
    "cause.title.weight_decay_too_strong": ("Weight decay is stronger than the gradient", "权重衰减强于梯度"),
    "cause.why.weight_decay_too_strong": (
        "With weight_decay={weight_decay} its pull on the weights is {times} times that of the loss: they "
        "shrink towards 0, whatever the data says.",
        "weight_decay={weight_decay} 时，它对权重的作用是损失的 {times} 倍：无论数据如何，权重都会缩向 0。",
    ),
    "cause.title.penalty_too_strong": (
        "The penalty on the weights is stronger than the loss",
        "权重惩罚项强于损失",
    ),
    "cause.why.penalty_too_strong": (
        "The penalty starts at {penalty}, and its gradient is {times} times as large as that of the loss: "
        "the weights shrink towards 0, whatever the data says.",
        "惩罚项起初为 {penalty}，其梯度是损失梯度的 {times} 倍：无论数据如何，权重都会缩向 0。",
    ),
    "cause.title.dropout_too_strong": ("Dropout in {layer} is too strong", "{layer} 的 dropout 过强"),
    "cause.why.dropout_too_strong": (
        "Only {kept} of the units are kept. The loss with dropout is {loss}, without it {quiet_loss}: what "
        "is left is mostly noise.",
        "只保留了 {kept} 的单元。有 dropout 时损失为 {loss}，没有时为 {quiet_loss}：剩下的大多是噪声。",
    ),
    "cause.title.clipped_always": ("Every gradient is clipped", "每一步的梯度都被裁剪"),
    "cause.why.clipped_always": (
        "{clipped} of the gradients exceed the limit {limit}; their norm is about {norm}, so that steps are "
        "about {times} times shorter than the learning rate says.",
        "{clipped} 的梯度超过上限 {limit}；它们的范数约为 {norm}，因此实际步长只有学习率所示的约 1/{times}。",
    ),
    "cause.title.batch_too_small": (
        "The gradient of a batch is all noise: the batches are too small",
        "单个批次的梯度几乎全是噪声：批量太小",
    ),
    "cause.why.batch_too_small": (
        "Noise makes up {noise} of the squared gradient of a batch of {batch_size}. The gradient noise "
        "scale is about {scale}: batches much smaller than that need smaller steps.",
        "批量大小为 {batch_size} 时，噪声占梯度平方的 {noise}。梯度噪声尺度约为 {scale}：远小于它的批量需要"
        "更小的步长。",
    ),
    "cause.title.labels_uninformative": (
        "The labels have nothing to do with the inputs",
        "标签与输入毫无关系",
    ),
    "cause.why.labels_uninformative": (
        "True labels tell the network no more than the same labels in random order: {deviations} standard "
        "deviations apart. Were they shuffled apart from the inputs?",
        "真实标签提供的信息并不比随机打乱后的标签多：只差 {deviations} 个标准差。标签是否与输入分开打乱了？",
    ),
    "cause.title.class_imbalance": ("The classes are very unequal", "类别极不均衡"),
    "cause.why.class_imbalance": (
        "The most frequent class makes up {largest} of the samples, the rarest {smallest}: the loss hardly "
        "sees it.",
        "最多的类别占样本的 {largest}，最少的只占 {smallest}：损失几乎感受不到它。",
    ),
    # ---- evidence
    "cause.of.share": ("share", "比例"),
    "cause.of.value": ("value", "数值"),
    "cause.of.parameters": ("parameters", "参数个数"),
    "cause.of.updates": ("updates", "更新次数"),
    "cause.of.names": ("names", "名称"),
    "cause.of.operation": ("operation", "运算"),
    "cause.of.loss": ("loss", "损失"),
    "cause.of.largest": ("largest", "最大值"),
    "cause.of.smallest": ("smallest", "最小值"),
    "cause.of.smallest_target": ("smallest target", "最小目标值"),
    "cause.of.largest_target": ("largest target", "最大目标值"),
    "cause.of.units": ("units", "单元数"),
    "cause.of.zero": ("all zero", "全为零"),
    "cause.of.mean": ("mean", "均值"),
    "cause.of.std": ("standard deviation", "标准差"),
    "cause.of.rms": ("root mean square", "均方根"),
    "cause.of.feature": ("feature", "特征"),
    "cause.of.median_std": ("median of the others", "其他特征的中位数"),
    "cause.of.times": ("times", "倍数"),
    "cause.of.saturated": ("saturated", "饱和比例"),
    "cause.of.input_std": ("pre-activation: standard deviation", "净输入：标准差"),
    "cause.of.input_mean": ("pre-activation: mean", "净输入：均值"),
    "cause.of.inputs_rms": ("size of the inputs", "输入大小"),
    "cause.of.weight_rms": ("size of the weights", "权重大小"),
    "cause.of.usual_rms": ("usual size", "通常大小"),
    "cause.of.dead": ("dead", "死亡比例"),
    "cause.of.layers": ("layers", "层数"),
    "cause.of.rate": ("factor per layer or step", "每层或每步的倍数"),
    "cause.of.left": ("left in all", "总共剩余"),
    "cause.of.grown": ("grown in all", "总共放大"),
    "cause.of.kind": ("kind", "类型"),
    "cause.of.steps": ("time steps", "时间步数"),
    "cause.of.remains": ("left at the first step", "第一步处的剩余"),
    "cause.of.radius": ("spectral radius", "谱半径"),
    "cause.of.horizon": ("steps until a thousandth is left", "剩千分之一时的步数"),
    "cause.of.forget": ("mean of the forget or update gate", "遗忘门或更新门的均值"),
    "cause.of.uniform": ("loss of equal probabilities", "均匀概率的损失"),
    "cause.of.spread": ("spread", "离散程度"),
    "cause.of.learning_rate": ("learning rate", "学习率"),
    "cause.of.factor": ("factor", "倍数"),
    "cause.of.least_factor": ("factor, at least", "倍数（至少）"),
    "cause.of.loss_before": ("loss before the step", "走一步前的损失"),
    "cause.of.loss_after": ("loss after the step", "走一步后的损失"),
    "cause.of.update_ratio": ("update / weight", "更新量 / 权重"),
    "cause.of.weight_decay": ("weight decay", "权重衰减"),
    "cause.of.decay": ("size of the decay", "衰减项大小"),
    "cause.of.penalty": ("penalty", "惩罚项"),
    "cause.of.pull": ("size of the penalty's gradient", "惩罚项的梯度大小"),
    "cause.of.gradient": ("size of the gradient", "梯度大小"),
    "cause.of.probability": ("probability of dropping", "丢弃率"),
    "cause.of.kept": ("kept", "保留比例"),
    "cause.of.quiet_loss": ("loss without dropout", "没有 dropout 时的损失"),
    "cause.of.clipped": ("clipped", "被裁剪比例"),
    "cause.of.limit": ("limit", "上限"),
    "cause.of.norm": ("norm of the gradient", "梯度范数"),
    "cause.of.batch_size": ("batch size", "批量大小"),
    "cause.of.scale": ("noise scale", "噪声尺度"),
    "cause.of.noise": ("noise", "噪声比例"),
    "cause.of.true": ("what true labels tell", "真实标签的信息量"),
    "cause.of.permuted": ("what labels in random order tell", "随机打乱标签的信息量"),
    "cause.of.deviations": ("standard deviations apart", "相差的标准差数"),
}
