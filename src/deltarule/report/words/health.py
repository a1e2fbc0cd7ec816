"""Words of health reports: causes, what speaks for them, remedies, and what was measured."""

WORDS = {
    "health.title": ("Health of {name}", "{name} 的训练诊断"),
    "health.unnamed": ("the training", "本次训练"),
    "health.findings": ("What was found", "诊断结果"),
    "health.healthy": (
        "Nothing was found: gradients, weights, activations and data are in the usual ranges.",
        "未发现问题：梯度、权重、激活和数据都在正常范围内。",
    ),
    "health.count": ("Causes found: {count}.", "发现 {count} 个原因。"),
    "health.looked": (
        "Measured on {rows} rows of the training data, at steps: {steps}.",
        "在训练数据的 {rows} 个样本上测量，测量的训练步：{steps}。",
    ),
    "health.cause": ("Cause", "原因"),
    "health.layer": ("Layer", "层"),
    "health.whole": ("the whole network", "整个网络"),
    "health.this_layer": ("layer {layer}", "层 {layer}"),
    "health.evidence": ("Evidence", "依据"),
    "health.remedy": ("Remedy", "建议"),
    "health.severity": ("Severity", "严重程度"),
    "health.at_step": ("seen at step {step}", "见于第 {step} 步"),
    # ---- causes: a title, and what is the matter
    "health.cause.inputs_not_finite": ("The inputs hold NaN or infinity", "输入中含有 NaN 或无穷大"),
    "health.why.inputs_not_finite": (
        "{share} of the input elements are NaN or infinite. One of them makes the loss and every gradient "
        "NaN.",
        "输入元素中有 {share} 是 NaN 或无穷大。只要有一个，损失和所有梯度就都会变成 NaN。",
    ),
    "health.cause.targets_not_finite": ("The targets hold NaN or infinity", "目标值中含有 NaN 或无穷大"),
    "health.why.targets_not_finite": (
        "{share} of the targets are NaN or infinite, and so is the loss.",
        "目标值中有 {share} 是 NaN 或无穷大，损失因此也是。",
    ),
    "health.cause.inputs_constant": ("All inputs are the same", "所有输入都相同"),
    "health.why.inputs_constant": (
        "No feature differs between the samples, so that there is nothing to tell them apart by.",
        "各样本的所有特征都没有差别，无从区分。",
    ),
    "health.cause.targets_constant": ("All targets are the same", "所有目标值都相同"),
    "health.why.targets_constant": (
        "Every sample has the target {value}: a constant is the perfect answer, and nothing else is learned.",
        "每个样本的目标值都是 {value}：只要输出常数就能全部答对，学不到别的东西。",
    ),
    "health.cause.weights_not_finite": (
        "Weights of {layer} are NaN or infinite",
        "{layer} 的权重中有 NaN 或无穷大",
    ),
    "health.why.weights_not_finite": (
        "{names}: a single weight that is NaN makes the loss and every gradient NaN. They were so before the "
        "first update: loaded, or set by hand.",
        "{names}：只要有一个权重是 NaN，损失和所有梯度就都会变成 NaN。它们在第一次更新之前就已如此："
        "可能是加载进来的，或手动设置的。",
    ),
    "health.cause.all_frozen": (
        "Nothing is trained: every parameter is frozen",
        "没有任何参数在训练：全部参数都被冻结",
    ),
    "health.why.all_frozen": (
        "All parameters, {parameters} arrays of them, have requires_grad=False: they get no gradient "
        "and keep their values for ever.",
        "全部参数（共 {parameters} 个数组）的 requires_grad 都是 False：得不到梯度，值永远不变。",
    ),
    "health.cause.not_connected": (
        "No gradient reaches {layer}: it is not connected with the loss",
        "梯度无法到达 {layer}：该层与损失没有连通",
    ),
    "health.why.not_connected": (
        "The loss does not depend on {names}. Either the layer is not used in forward, or its result is cut "
        "off by detach, no_grad or a step outside the recorded graph.",
        "损失不依赖 {names}。可能是该层没有在 forward 中使用，或者结果被 detach、no_grad "
        "或计算图之外的操作切断。",
    ),
    "health.cause.not_optimised": (
        "{layer} has gradients, but the optimiser does not know it",
        "{layer} 有梯度，但不在优化器中",
    ),
    "health.why.not_optimised": (
        "The optimiser was not given {names}: they keep their first values for ever.",
        "优化器没有收到 {names}：这些参数将一直停在初始值。",
    ),
    "health.cause.learning_rate_zero": ("The learning rate is 0", "学习率为 0"),
    "health.why.learning_rate_zero": (
        "After {updates} updates every weight is what it was before them.",
        "经过 {updates} 次更新，所有权重仍与更新前完全相同。",
    ),
    "health.cause.softmax_before_loss": (
        "Softmax is applied twice: in {layer} and in the loss",
        "softmax 用了两次：{layer} 中一次，损失中又一次",
    ),
    "health.why.softmax_before_loss": (
        "{loss} expects logits and applies softmax itself, but it is given probabilities. The loss cannot "
        "come "
        "near 0, and the gradients are a fraction of what they should be.",
        "{loss} 需要 logits，并会自行计算 softmax，而这里传入的却是概率。损失无法接近 0，"
        "梯度也只剩应有的一小部分。",
    ),
    "health.cause.sigmoid_before_loss": (
        "A sigmoid stands before a loss that expects logits: in {layer}",
        "损失需要 logits，而 {layer} 先做了 sigmoid",
    ),
    "health.why.sigmoid_before_loss": (
        "{loss} expects logits, but it is given values between 0 and 1: it cannot become sure of any answer.",
        "{loss} 需要 logits，而传入的值只在 0 与 1 之间：网络对任何答案都无法给出高置信度。",
    ),
    "health.cause.activation_before_loss": (
        "{operation} bounds the logits before the loss: in {layer}",
        "{layer} 中的 {operation} 在损失之前限制了 logits",
    ),
    "health.why.activation_before_loss": (
        "{loss} expects logits of any size and sign. {operation} cuts them off, and where it does no "
        "gradient "
        "passes.",
        "{loss} 需要任意大小、任意符号的 logits。{operation} 会截断它们，被截断之处没有梯度通过。",
    ),
    "health.cause.log_softmax_missing": (
        "The loss takes log-probabilities, but is given something else",
        "损失需要对数概率，得到的却不是",
    ),
    "health.why.log_softmax_missing": (
        "{loss} only picks the target's element and negates it. Without log-softmax before it the loss has "
        "no lower "
        "bound: it falls for ever while nothing is learned.",
        "{loss} 只取出目标类别对应的元素再取负。之前若没有 log_softmax，损失就没有下界：它会一直下降，"
        "却什么也没学到。",
    ),
    "health.cause.output_out_of_reach": (
        "The targets lie outside of what {operation} can give: in {layer}",
        "目标值超出了 {layer} 中 {operation} 的输出范围",
    ),
    "health.why.output_out_of_reach": (
        "Targets go from {smallest_target} to {largest_target}, but the network ends with {operation}, "
        "which never "
        "gives some of these values.",
        "目标值在 {smallest_target} 到 {largest_target} 之间，但网络最后一步是 {operation}，"
        "其中一部分值永远取不到。",
    ),
    "health.cause.equal_units": (
        "Units of {layer} are copies of each other",
        "{layer} 的单元彼此完全相同",
    ),
    "health.why.equal_units": (
        "{share} of its {units} units have the same weights and the same gradients as another one, so that "
        "they stay "
        "equal for ever: the symmetry has to be broken by random first values.",
        "{units} 个单元中有 {share} 与另一个单元权重相同、梯度也相同，因此会永远相同："
        "必须用随机初值打破对称性。",
    ),
    "health.cause.feature_dominates": (
        "One input feature drowns all others",
        "某一个输入特征淹没了其余特征",
    ),
    "health.why.feature_dominates": (
        "Feature {feature} (counted from 0) is about {times} times as large as the others. The learning "
        "rate that it "
        "bears is far too small for them.",
        "第 {feature} 个特征（从 0 数起）大约是其他特征的 {times} 倍。它所能承受的学习率，"
        "对其他特征来说远远太小。",
    ),
    "health.cause.inputs_not_standardised": ("The inputs are not standardised", "输入没有标准化"),
    "health.why.inputs_not_standardised": (
        "Inputs have mean {mean} and standard deviation {std}; networks start out for inputs of mean 0 and "
        "standard "
        "deviation 1.",
        "输入的均值为 {mean}，标准差为 {std}；而网络的初始化是按均值 0、标准差 1 的输入设计的。",
    ),
    "health.cause.targets_not_standardised": ("The targets are not standardised", "目标值没有标准化"),
    "health.why.targets_not_standardised": (
        "Targets have mean {mean} and standard deviation {std}, while outputs start near 0: the first loss "
        "is {loss}, "
        "and its gradient is as large.",
        "目标值的均值为 {mean}，标准差为 {std}，而输出起初在 0 附近：初始损失达 {loss}，梯度也同样大。",
    ),
    "health.cause.saturated_by_inputs": (
        "{layer} is saturated, because the inputs are not standardised",
        "{layer} 饱和，原因是输入没有标准化",
    ),
    "health.why.saturated_by_inputs": (
        "{saturated} of its {operation} values lie where the derivative is nearly 0: the inputs, of size "
        "{inputs_rms}, give pre-activations of standard deviation {input_std}.",
        "{operation} 的值中有 {saturated} 落在导数几乎为 0 的区域：大小为 {inputs_rms} "
        "的输入使净输入的标准差达到 "
        "{input_std}。",
    ),
    "health.cause.saturated_by_weights": (
        "{layer} is saturated, because its weights are too large",
        "{layer} 饱和，原因是权重尺度过大",
    ),
    "health.why.saturated_by_weights": (
        "{saturated} of its {operation} values lie where the derivative is nearly 0. Weights of size "
        "{weight_rms}, "
        "about {times} times the usual {usual_rms}, give pre-activations of standard deviation {input_std}.",
        "{operation} 的值中有 {saturated} 落在导数几乎为 0 的区域。权重大小为 {weight_rms}，约为通常值 "
        "{usual_rms} 的 "
        "{times} 倍，使净输入的标准差达到 {input_std}。",
    ),
    "health.cause.dead_units": ("Units behind {layer} are dead", "{layer} 之后的单元大量死亡"),
    "health.why.dead_units": (
        "{dead} of the {units} units are 0 for every sample, so that no gradient reaches their weights and "
        "they stay "
        "so. Their pre-activations have mean {input_mean} and standard deviation {input_std}.",
        "{units} 个单元中有 {dead} 对所有样本都输出 0，梯度无法到达它们的权重，因此不会恢复。"
        "净输入（激活前的值）均值为 {input_mean}，标准差为 {input_std}。",
    ),
    "health.cause.vanishing_by_activation": (
        "The gradient vanishes over depth, because of {operation}",
        "梯度随深度消失，原因是 {operation} 激活",
    ),
    "health.why.vanishing_by_activation": (
        "On its way back through {layers} layers the gradient shrinks by a factor of {rate} per layer: "
        "{left} of it is "
        "left. The derivative of {operation} is 1/4 at most.",
        "梯度反向经过 {layers} 层，每层乘以约 {rate}，最后只剩 {left}。{operation} 的导数最大只有 1/4。",
    ),
    "health.cause.vanishing_by_weights": (
        "The gradient vanishes over depth, because the weights are too small",
        "梯度随深度消失，原因是权重过小",
    ),
    "health.why.vanishing_by_weights": (
        "On its way back through {layers} layers the gradient shrinks by a factor of {rate} per layer: "
        "{left} of it is "
        "left. Weights of size {weight_rms} are {times} times the usual {usual_rms}.",
        "梯度反向经过 {layers} 层，每层乘以约 {rate}，最后只剩 {left}。权重大小为 {weight_rms}，是通常值 "
        "{usual_rms} 的 "
        "{times} 倍。",
    ),
    "health.cause.exploding_over_depth": (
        "The gradient explodes over depth, because the weights are too large",
        "梯度随深度爆炸，原因是权重过大",
    ),
    "health.why.exploding_over_depth": (
        "Over {layers} layers gradients or values grow by a factor of {rate} per layer, {grown} in all. "
        "Weights of "
        "size {weight_rms} are about {times} times the usual {usual_rms}.",
        "经过 {layers} 层，梯度或数值每层放大约 {rate} 倍，总共 {grown} 倍。权重大小为 {weight_rms}，"
        "约为通常值 "
        "{usual_rms} 的 {times} 倍。",
    ),
    "health.cause.memory_too_short": (
        "{layer} forgets: the gradient vanishes through time",
        "{layer} 记不住：梯度随时间消失",
    ),
    "health.why.memory_too_short": (
        "A gradient that enters this {kind} at the last of {steps} steps is multiplied by {rate} per step: "
        "{remains} of "
        "it is left at the first, and a thousandth after {horizon} steps. The recurrent spectral radius is "
        "{radius}.",
        "从 {steps} 步序列的末尾进入该 {kind} 的梯度，每步乘以 {rate}：到第一步只剩 {remains}，约 {horizon} "
        "步后只剩千分之一。"
        "循环权重的谱半径为 {radius}。",
    ),
    "health.cause.recurrence_explodes": (
        "The gradient explodes through time in {layer}",
        "{layer} 中梯度随时间爆炸",
    ),
    "health.why.recurrence_explodes": (
        "A gradient that enters this {kind} at the last of {steps} steps is multiplied by {rate} per step, "
        "{grown} in "
        "all. The recurrent spectral radius is {radius}; above 1 a gradient may grow without end.",
        "从 {steps} 步序列的末尾进入该 {kind} 的梯度，每步乘以 {rate}，总共放大 {grown} 倍。"
        "循环权重的谱半径为 {radius}；"
        "大于 1 时梯度可能无限增长。",
    ),
    "health.cause.overconfident_start": (
        "The first outputs are far from uniform",
        "初始输出远离均匀分布",
    ),
    "health.why.overconfident_start": (
        "Before it has learned anything the network is sure of its answers: the first loss is {loss} where "
        "equal "
        "probabilities give {uniform}. Its logits have a spread of {spread}.",
        "网络还什么都没学到，就已经对答案很确信：初始损失为 {loss}，而各类概率相等时只有 {uniform}。logits "
        "的离散程度为 {spread}。",
    ),
    "health.cause.learning_rate_too_high": (
        "The learning rate is too high, by about {factor}",
        "学习率过高，约为合适值的 {factor} 倍",
    ),
    "health.why.learning_rate_too_high": (
        "With learning rate {learning_rate} the loss goes from {loss_before} to {loss_after}. Steps of about "
        "1/{factor} of that length would lower it.",
        "学习率为 {learning_rate} 时，损失从 {loss_before} 变为 {loss_after}。步长约为其 1/{factor} "
        "时损失才会下降。",
    ),
    "health.cause.learning_rate_too_low": (
        "The learning rate is too low, by about {factor}",
        "学习率过低，约为合适值的 1/{factor}",
    ),
    "health.why.learning_rate_too_low": (
        "With learning rate {learning_rate} a step changes the weights by {update_ratio} of their size, "
        "where about "
        "10⁻³ is usual as a rule of thumb, and a step about {factor} times as long would lower the loss "
        "more.",
        "学习率为 {learning_rate} 时，每步对权重的改变只有其大小的 {update_ratio}，经验上约为 10⁻³；"
        "步长再长约 {factor} 倍，损失会下降得更多。",
    ),
    "health.cause.weight_decay_too_strong": (
        "Weight decay is stronger than the gradient",
        "权重衰减强于梯度",
    ),
    "health.why.weight_decay_too_strong": (
        "With weight_decay={weight_decay} its pull on the weights is {times} times that of the loss: they "
        "shrink "
        "towards 0, whatever the data says.",
        "weight_decay={weight_decay} 时，它对权重的作用是损失的 {times} 倍：无论数据如何，权重都会缩向 0。",
    ),
    "health.cause.dropout_too_strong": ("Dropout in {layer} is too strong", "{layer} 的 dropout 过强"),
    "health.why.dropout_too_strong": (
        "Only {kept} of the units are kept. The loss with dropout is {loss}, without it {quiet_loss}: what "
        "is left is "
        "mostly noise.",
        "只保留了 {kept} 的单元。有 dropout 时损失为 {loss}，没有时为 {quiet_loss}：剩下的大多是噪声。",
    ),
    "health.cause.clipped_always": ("Every gradient is clipped", "每一步的梯度都被裁剪"),
    "health.why.clipped_always": (
        "{clipped} of the gradients exceed the limit {limit}; their norm is about {norm}, so that steps are "
        "about "
        "{times} times shorter than the learning rate says.",
        "{clipped} 的梯度超过上限 {limit}；它们的范数约为 {norm}，因此实际步长只有学习率所示的约 1/{times}。",
    ),
    "health.cause.batch_too_small": (
        "The gradient of a batch is all noise: the batches are too small",
        "单个批次的梯度几乎全是噪声：批量太小",
    ),
    "health.why.batch_too_small": (
        "Noise makes up {noise} of the squared gradient of a batch of {batch_size}. The gradient noise "
        "scale is about "
        "{scale}: batches much smaller than that need smaller steps.",
        "批量大小为 {batch_size} 时，噪声占梯度平方的 {noise}。梯度噪声尺度约为 {scale}："
        "远小于它的批量需要更小的步长。",
    ),
    "health.cause.labels_uninformative": (
        "The labels have nothing to do with the inputs",
        "标签与输入毫无关系",
    ),
    "health.why.labels_uninformative": (
        "True labels tell the network no more than the same labels in random order: {deviations} standard "
        "deviations "
        "apart. Were they shuffled apart from the inputs?",
        "真实标签提供的信息并不比随机打乱后的标签多：只差 {deviations} 个标准差。标签是否与输入分开打乱了？",
    ),
    "health.cause.class_imbalance": ("The classes are very unequal", "类别极不均衡"),
    "health.why.class_imbalance": (
        "The most frequent class makes up {largest} of the samples, the rarest {smallest}: the loss hardly "
        "sees it.",
        "最多的类别占样本的 {largest}，最少的只占 {smallest}：损失几乎感受不到它。",
    ),
    # ---- remedies
    "health.remedy.clean_inputs": (
        "Remove rows with missing values, or fill them in.",
        "删除含缺失值的行，或填补缺失值。",
    ),
    "health.remedy.clean_targets": ("Remove rows without a valid target.", "删除没有有效目标值的行。"),
    "health.remedy.check_labels": (
        "Look at some samples with their labels: were both put in the same order?",
        "抽查一些样本及其标签：两者的顺序是否一致？",
    ),
    "health.remedy.check_inputs": (
        "Look at how the inputs are read and scaled.",
        "检查输入的读取和缩放过程。",
    ),
    "health.remedy.set_learning_rate": (
        "Use a learning rate above 0: 0.001 for Adam and 0.1 for SGD are usual first tries. Where a schedule "
        "sets it, check its arguments.",
        "使用大于 0 的学习率：Adam 通常先试 0.001，SGD 先试 0.1。若由学习率调度器设定，请检查其参数。",
    ),
    "health.remedy.restore_weights": (
        "Load weights that were saved before they broke, or make {layer} anew.",
        "加载损坏之前保存的权重，或重新创建 {layer}。",
    ),
    "health.remedy.unfreeze": (
        "Unfreeze what is to be trained, in {layer} or in its last layer alone: "
        "layer.requires_grad_(True), or model.requires_grad_(True).",
        "解冻需要训练的部分（{layer}，或仅最后一层）：layer.requires_grad_(True) 或 "
        "model.requires_grad_(True)。",
    ),
    "health.remedy.connect": (
        "Use {layer} in forward, and keep its result inside the graph: no detach, no_grad or NumPy in "
        "between.",
        "在 forward 中使用 {layer}，并让其结果留在计算图中：中间不要用 detach、no_grad 或 NumPy。",
    ),
    "health.remedy.optimise": (
        "Give the optimiser all parameters: model.parameters(), or add_param_group for {layer}.",
        "把所有参数交给优化器：用 model.parameters()，或对 {layer} 使用 add_param_group。",
    ),
    "health.remedy.remove_activation": (
        "Leave out {operation} at the end of the network.",
        "去掉网络末尾的 {operation}。",
    ),
    "health.remedy.add_log_softmax": (
        "End the network with log_softmax, or use cross_entropy instead.",
        "在网络末尾加上 log_softmax，或改用 cross_entropy。",
    ),
    "health.remedy.initialise": (
        "Draw the weights of {layer} anew with {initialiser}.",
        "用 {initialiser} 重新初始化 {layer} 的权重。",
    ),
    "health.remedy.standardise_inputs": (
        "Standardise the inputs: subtract the mean of each feature, divide by its standard deviation.",
        "对输入做标准化：每个特征减去均值，再除以标准差。",
    ),
    "health.remedy.standardise_targets": (
        "Standardise the targets, and scale the answers back.",
        "对目标值做标准化，预测后再还原。",
    ),
    "health.remedy.replace_activation": (
        "Use {new} in place of {old}: {layer}.",
        "用 {new} 代替 {old}：{layer}。",
    ),
    "health.remedy.orthogonal": (
        "Start the recurrent weights of {layer} as an orthogonal matrix, whose spectral radius is 1.",
        "把 {layer} 的循环权重初始化为正交矩阵，其谱半径为 1。",
    ),
    "health.remedy.forget_bias": (
        "Start the bias of the forget gate of {layer} at {value}, so that it is open.",
        "把 {layer} 遗忘门的偏置初始化为 {value}，使其打开。",
    ),
    "health.remedy.scale_last_layer": (
        "Multiply the first weights of the last layer, {layer}, by {factor}.",
        "把最后一层 {layer} 的初始权重乘以 {factor}。",
    ),
    "health.remedy.learning_rate": (
        "Use a learning rate of about {rate}.",
        "把学习率改为约 {rate}。",
    ),
    "health.remedy.weight_decay": ("Use weight_decay={value}.", "改用 weight_decay={value}。"),
    "health.remedy.dropout": (
        "Drop {probability} of the units of {layer}.",
        "把 {layer} 的丢弃率降到 {probability}。",
    ),
    "health.remedy.clip_norm": ("Clip at a norm of {limit}.", "把梯度裁剪的范数上限改为 {limit}。"),
    "health.remedy.batch_size": (
        "Use batches of {rows} rows, or a smaller learning rate.",
        "把批量大小改为 {rows}，或降低学习率。",
    ),
    "health.remedy.weigh_classes": (
        "Weigh rare classes more in the loss, or draw them more often.",
        "在损失中提高稀有类别的权重，或更频繁地抽取它们。",
    ),
    # ---- trials
    "health.trial": ("The remedy, tried", "建议的试验结果"),
    "health.trial.better": (
        "Tried for {steps} steps from the same weights and batches: it helps. The loss ends at {after} "
        "instead of "
        "{before}.",
        "从相同的权重出发、用相同的批次试训 {steps} 步：有效。损失最终为 {after}，不用该建议时为 {before}。",
    ),
    "health.trial.same": (
        "Tried for {steps} steps from the same weights and batches: no difference yet. The loss ends at "
        "{after}, "
        "without it at {before}.",
        "从相同的权重出发、用相同的批次试训 {steps} 步：尚无差别。"
        "损失最终为 {after}，不用该建议时为 {before}。",
    ),
    "health.trial.worse": (
        "Tried for {steps} steps from the same weights and batches: it does not help within them. The loss "
        "ends at "
        "{after}, without it at {before}.",
        "从相同的权重出发、用相同的批次试训 {steps} 步：这些步内没有帮助。"
        "损失最终为 {after}，不用该建议时为 "
        "{before}。",
    ),
    "health.trial.accuracy": (
        "{told} Accuracy: {after} instead of {before}.",
        "{told}准确率：{after}，不用该建议时为 {before}。",
    ),
    "health.trial.advice": ("This has to be done by hand.", "这需要手工处理。"),
    "health.trial.not_a_module": (
        "Not tried: the activation is called inside forward, and cannot be exchanged from outside.",
        "未试验：该激活函数在 forward 中直接调用，无法从外部替换。",
    ),
    "health.trial.no_such_layer": (
        "Not tried: the layer cannot be changed from outside.",
        "未试验：该层无法从外部修改。",
    ),
    "health.trial.other_loader": (
        "Not tried: the data comes from a loader of its own kind.",
        "未试验：数据来自自定义的加载器。",
    ),
    "health.trial.already": ("Not tried: it is so already.", "未试验：目前已经如此。"),
    "health.trial.diverged": ("NaN", "NaN"),
    "health.as_it_is": ("as it is", "保持原样"),
    "health.with_remedy": ("with the remedy", "采用建议"),
    # ---- measurements
    "health.measured": ("What was measured", "测量结果"),
    "health.measured_note": (
        "Where two numbers are given, the first is that of the first measurement, the second that of the "
        "last.",
        "给出两个数时，前者为首次测量值，后者为末次测量值。",
    ),
    "health.course": ("Over the steps", "随训练步的变化"),
    "health.facts": ("Loss, data and optimiser", "损失、数据与优化器"),
    "health.layers": ("Layers", "各层"),
    "health.parameters": ("Parameters", "参数"),
    "health.units": ("Activations", "激活函数"),
    "health.recurrent": ("Recurrent layers", "循环层"),
    "health.step": ("step", "训练步"),
    "health.steps": ("steps", "步数"),
    "health.name": ("name", "名称"),
    "health.value": ("value", "数值"),
    "health.kind": ("kind", "类型"),
    "health.shape": ("shape", "形状"),
    "health.loss": ("loss", "损失"),
    "health.loss_training": ("loss of the probe in training mode", "训练模式下的损失（测量样本）"),
    "health.loss_evaluation": ("loss of the probe in evaluation mode", "评估模式下的损失（测量样本）"),
    "health.loss_constant": ("loss of the best constant answer", "最佳常数答案的损失"),
    "health.loss_uniform": ("loss of equal probabilities, ln {classes}", "均匀概率的损失 ln {classes}"),
    "health.entropy": ("entropy of the answers, in nats", "输出分布的熵（nat）"),
    "health.accuracy": ("accuracy on the probe", "测量样本上的准确率"),
    "health.logits": ("spread of the outputs within a row", "每个样本输出的标准差"),
    "health.inputs": ("inputs: mean and standard deviation", "输入：均值与标准差"),
    "health.inputs_range": ("inputs: smallest and largest", "输入：最小与最大"),
    "health.inputs_constant": ("inputs: share of constant features", "输入：常数特征的比例"),
    "health.targets": ("targets: mean and standard deviation", "目标值：均值与标准差"),
    "health.classes": ("targets: rarest and most frequent class", "目标值：最少与最多类别的比例"),
    "health.optimizer": ("optimiser", "优化器"),
    "health.learning_rate": ("learning rate", "学习率"),
    "health.gradient_norm": ("norm of the whole gradient", "整个梯度的范数"),
    "health.curvature": (
        "curvature along the gradient; 2 over it bounds the learning rate",
        "沿梯度的曲率；其倒数的 2 倍是学习率上限",
    ),
    "health.clipped": ("share of clipped gradients", "被裁剪梯度的比例"),
    "health.noise_scale": ("gradient noise scale", "梯度噪声尺度"),
    "health.noise_share": (
        "noise in the squared gradient of a batch of {rows}",
        "批量为 {rows} 时噪声占梯度平方的比例",
    ),
    "health.noise_source": (
        "The gradient noise scale is tr Σ / |G|² (McCandlish et al. 2018).",
        "梯度噪声尺度为 tr Σ / |G|²（McCandlish 等，2018）。",
    ),
    "health.output_size": ("size of output", "输出大小"),
    "health.output_std": ("output over samples", "输出在样本间的标准差"),
    "health.gradient_size": ("size of gradient", "梯度大小"),
    "health.weight_size": ("size of weights", "权重大小"),
    "health.gradient_norm_of": ("norm of gradient", "梯度范数"),
    "health.update_ratio": ("update / weight", "更新量 / 权重"),
    "health.noise_signal": ("noise / signal", "噪声 / 信号"),
    "health.operation": ("function", "函数"),
    "health.gate": ("gate", "门"),
    "health.saturated": ("saturated", "饱和"),
    "health.dead": ("dead", "死亡"),
    "health.input_std": ("pre-activation std", "净输入标准差"),
    "health.derivative": ("derivative", "导数"),
    "health.radius": ("spectral radius of weights", "循环权重谱半径"),
    "health.jacobian_radius": ("of step Jacobians", "单步雅可比谱半径"),
    "health.rate": ("gradient per step", "梯度每步的倍数"),
    "health.remains": ("left at first step", "第一步处的剩余"),
    "health.forget": ("forget / update gate", "遗忘门 / 更新门"),
    "health.no_gradient": ("none", "无"),
    "health.guide": ("10⁻³, the rule of thumb", "10⁻³（经验值）"),
    "health.batch_size": ("batch size", "批量大小"),
    "health.update_note": (
        "The update-to-weight ratio ‖Δw‖ / ‖w‖ is about 10⁻³ in trainings that go well. This is a rule of "
        "thumb "
        "(Karpathy, notes to CS231n), not a law.",
        "训练顺利时，更新量与权重之比 ‖Δw‖ / ‖w‖ 约为 10⁻³。这是经验值（Karpathy，CS231n 讲义），并非定律。",
    ),
    "health.saturation_note": (
        "Saturated: the derivative is below 5 % of its largest value (Glorot & Bengio 2010). Dead: no "
        "gradient passes "
        "for any sample of the probe (He et al. 2015).",
        "饱和：导数低于其最大值的 5 %（Glorot 与 Bengio，2010）。死亡：对所有测量样本都没有梯度通过（He 等，"
        "2015）。",
    ),
    "health.recurrent_note": (
        "Below 1 a gradient vanishes on its way back through time, above 1 it may explode (Pascanu et al. "
        "2013).",
        "小于 1 时梯度在沿时间反传中消失，大于 1 时可能爆炸（Pascanu 等，2013）。",
    ),
    "health.chart_loss": ("Loss", "损失"),
    "health.chart_depth": ("Gradient over depth", "梯度随深度的变化"),
    "health.chart_gradient": ("Norm of the gradient of each weight", "各权重的梯度范数"),
    "health.chart_ratio": ("Update-to-weight ratio", "更新量与权重之比"),
    "health.chart_saturated": ("Share of saturated units", "饱和单元的比例"),
    "health.chart_dead": ("Share of dead units", "死亡单元的比例"),
    "health.chart_clipped": ("Share of clipped gradients", "被裁剪梯度的比例"),
    "health.chart_noise": ("Gradient noise scale", "梯度噪声尺度"),
    "health.chart_rate": ("Gradient per time step", "梯度每时间步的倍数"),
    "health.chart_line": ("Loss after the next step, by its length", "以不同步长更新一次后的损失"),
    "health.length": ("length of the step, 1 as it is", "步长（1 为当前步长）"),
    "health.depth": ("depth", "深度"),
    "health.share": ("share", "比例"),
    "health.size": ("size", "大小"),
    "health.first": ("step {step}", "第 {step} 步"),
    # ---- evidence
    "health.of.share": ("share", "比例"),
    "health.of.value": ("value", "数值"),
    "health.of.parameters": ("parameters", "参数个数"),
    "health.of.updates": ("updates", "更新次数"),
    "health.of.names": ("names", "名称"),
    "health.of.operation": ("operation", "运算"),
    "health.of.loss": ("loss", "损失"),
    "health.of.largest": ("largest", "最大值"),
    "health.of.smallest": ("smallest", "最小值"),
    "health.of.smallest_target": ("smallest target", "最小目标值"),
    "health.of.largest_target": ("largest target", "最大目标值"),
    "health.of.units": ("units", "单元数"),
    "health.of.zero": ("all zero", "全为零"),
    "health.of.mean": ("mean", "均值"),
    "health.of.std": ("standard deviation", "标准差"),
    "health.of.rms": ("root mean square", "均方根"),
    "health.of.feature": ("feature", "特征"),
    "health.of.median_std": ("median of the others", "其他特征的中位数"),
    "health.of.times": ("times", "倍数"),
    "health.of.saturated": ("saturated", "饱和比例"),
    "health.of.input_std": ("pre-activation: standard deviation", "净输入：标准差"),
    "health.of.input_mean": ("pre-activation: mean", "净输入：均值"),
    "health.of.inputs_rms": ("size of the inputs", "输入大小"),
    "health.of.weight_rms": ("size of the weights", "权重大小"),
    "health.of.usual_rms": ("usual size", "通常大小"),
    "health.of.dead": ("dead", "死亡比例"),
    "health.of.layers": ("layers", "层数"),
    "health.of.rate": ("factor per layer or step", "每层或每步的倍数"),
    "health.of.left": ("left in all", "总共剩余"),
    "health.of.grown": ("grown in all", "总共放大"),
    "health.of.kind": ("kind", "类型"),
    "health.of.steps": ("time steps", "时间步数"),
    "health.of.remains": ("left at the first step", "第一步处的剩余"),
    "health.of.radius": ("spectral radius", "谱半径"),
    "health.of.horizon": ("steps until a thousandth is left", "剩千分之一时的步数"),
    "health.of.forget": ("mean of the forget or update gate", "遗忘门或更新门的均值"),
    "health.of.uniform": ("loss of equal probabilities", "均匀概率的损失"),
    "health.of.spread": ("spread", "离散程度"),
    "health.of.learning_rate": ("learning rate", "学习率"),
    "health.of.factor": ("factor", "倍数"),
    "health.of.loss_before": ("loss before the step", "走一步前的损失"),
    "health.of.loss_after": ("loss after the step", "走一步后的损失"),
    "health.of.update_ratio": ("update / weight", "更新量 / 权重"),
    "health.of.weight_decay": ("weight decay", "权重衰减"),
    "health.of.decay": ("size of the decay", "衰减项大小"),
    "health.of.gradient": ("size of the gradient", "梯度大小"),
    "health.of.probability": ("probability of dropping", "丢弃率"),
    "health.of.kept": ("kept", "保留比例"),
    "health.of.quiet_loss": ("loss without dropout", "没有 dropout 时的损失"),
    "health.of.clipped": ("clipped", "被裁剪比例"),
    "health.of.limit": ("limit", "上限"),
    "health.of.norm": ("norm of the gradient", "梯度范数"),
    "health.of.batch_size": ("batch size", "批量大小"),
    "health.of.scale": ("noise scale", "噪声尺度"),
    "health.of.noise": ("noise", "噪声比例"),
    "health.of.true": ("what true labels tell", "真实标签的信息量"),
    "health.of.permuted": ("what labels in random order tell", "随机打乱标签的信息量"),
    "health.of.deviations": ("standard deviations apart", "相差的标准差数"),
}
