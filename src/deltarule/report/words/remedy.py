"""Words of remedies for a training, and of what came of trying them."""

WORDS = {
    "remedy.clean_inputs": (
        "Remove rows with missing values, or fill them in.",
        "删除含缺失值的行，或填补缺失值。",
    ),
    "remedy.clean_targets": ("Remove rows without a valid target.", "删除没有有效目标值的行。"),
    "remedy.check_labels": (
        "Look at some samples with their labels: were both put in the same order?",
        "抽查一些样本及其标签：两者的顺序是否一致？",
    ),
    "remedy.check_inputs": ("Look at how the inputs are read and scaled.", "检查输入的读取和缩放过程。"),
    "remedy.set_learning_rate": (
        "Use a learning rate above 0: 0.001 for Adam and 0.1 for SGD are usual first tries. Where a "
        "schedule sets it, check its arguments.",
        "使用大于 0 的学习率：Adam 通常先试 0.001，SGD 先试 0.1。若由学习率调度器设定，请检查其参数。",
    ),
    "remedy.start_again": (
        "Start again from new weights, with a learning rate of a tenth; health of the new weights tells "
        "more.",
        "重新初始化权重，并用十分之一的学习率重新开始；对新权重再做诊断可以得到更多信息。",
    ),
    "remedy.find_operation": (
        "Train one step: the error names the first operation that gives NaN or infinity.",
        "训练一步：报错信息会指出最先产生 NaN 或无穷大的运算。",
    ),
    "remedy.restore_weights": (
        "Load weights that were saved before they broke, or make {layer} anew.",
        "加载损坏之前保存的权重，或重新创建 {layer}。",
    ),
    "remedy.unfreeze": (
        "Unfreeze what is to be trained, in {layer} or in its last layer alone: layer.requires_grad_(True), "
        "or model.requires_grad_(True).",
        "解冻需要训练的部分（{layer}，或仅最后一层）：layer.requires_grad_(True) 或 "
        "model.requires_grad_(True)。",
    ),
    "remedy.connect": (
        "Use {layer} in forward, and keep its result inside the graph: no detach, no_grad or NumPy in "
        "between.",
        "在 forward 中使用 {layer}，并让其结果留在计算图中：中间不要用 detach、no_grad 或 NumPy。",
    ),
    "remedy.connect_loss": (
        "Compute the loss from the network's output with deltarule's functions alone, from end to end.",
        "从网络输出到损失，全程只用 deltarule 的函数计算。",
    ),
    "remedy.optimise": (
        "Give the optimiser all parameters: model.parameters(), or add_param_group for {layer}.",
        "把所有参数交给优化器：用 model.parameters()，或对 {layer} 使用 add_param_group。",
    ),
    "remedy.remove_activation": (
        "Leave out {operation} at the end of the network.",
        "去掉网络末尾的 {operation}。",
    ),
    "remedy.add_log_softmax": (
        "End the network with log_softmax, or use cross_entropy instead.",
        "在网络末尾加上 log_softmax，或改用 cross_entropy。",
    ),
    "remedy.initialise": (
        "Draw the weights of {layer} anew with {initialiser}.",
        "用 {initialiser} 重新初始化 {layer} 的权重。",
    ),
    "remedy.standardise_inputs": (
        "Standardise the inputs: subtract the mean of each feature, divide by its standard deviation.",
        "对输入做标准化：每个特征减去均值，再除以标准差。",
    ),
    "remedy.standardise_targets": (
        "Standardise the targets, and scale the answers back.",
        "对目标值做标准化，预测后再还原。",
    ),
    "remedy.replace_activation": ("Use {new} in place of {old}: {layer}.", "用 {new} 代替 {old}：{layer}。"),
    "remedy.orthogonal": (
        "Start the recurrent weights of {layer} as an orthogonal matrix, whose spectral radius is 1.",
        "把 {layer} 的循环权重初始化为正交矩阵，其谱半径为 1。",
    ),
    "remedy.forget_bias": (
        "Start the bias of the forget gate of {layer} at {value}, so that it is open.",
        "把 {layer} 遗忘门的偏置初始化为 {value}，使其打开。",
    ),
    "remedy.scale_last_layer": (
        "Multiply the first weights of the last layer, {layer}, by {factor}.",
        "把最后一层 {layer} 的初始权重乘以 {factor}。",
    ),
    "remedy.learning_rate": ("Use a learning rate of about {rate}.", "把学习率改为约 {rate}。"),
    "remedy.weight_decay": ("Use weight_decay={value}.", "改用 weight_decay={value}。"),
    "remedy.penalty": (
        "Make the penalty weaker: multiply its strength by {factor}.",
        "减弱惩罚项：把它的强度乘以 {factor}。",
    ),
    "remedy.dropout": (
        "Drop {probability} of the units of {layer}.",
        "把 {layer} 的丢弃率降到 {probability}。",
    ),
    "remedy.clip_norm": ("Clip at a norm of {limit}.", "把梯度裁剪的范数上限改为 {limit}。"),
    "remedy.batch_size": (
        "Use batches of {rows} rows, or a smaller learning rate.",
        "把批量大小改为 {rows}，或降低学习率。",
    ),
    "remedy.weigh_classes": (
        "Weigh rare classes more in the loss, or draw them more often.",
        "在损失中提高稀有类别的权重，或更频繁地抽取它们。",
    ),
    # ---- trials
    "remedy.tried": ("The remedy, tried", "建议的试验结果"),
    "remedy.trial.better": (
        "Tried for {steps} steps from the same weights and batches: it helps. The loss ends at {after} "
        "instead of {before}.",
        "从相同的权重出发、用相同的批次试训 {steps} 步：有效。损失最终为 {after}，不用该建议时为 {before}。",
    ),
    "remedy.trial.same": (
        "Tried for {steps} steps from the same weights and batches: no difference yet. The loss ends at "
        "{after}, without it at {before}.",
        "从相同的权重出发、用相同的批次试训 {steps} 步：尚无差别。损失最终为 {after}，不用该建议时为 "
        "{before}。",
    ),
    "remedy.trial.worse": (
        "Tried for {steps} steps from the same weights and batches: it does not help within them. The loss "
        "ends at {after}, without it at {before}.",
        "从相同的权重出发、用相同的批次试训 {steps} 步：这些步内没有帮助。损失最终为 {after}，不用该建议时"
        "为 {before}。",
    ),
    "remedy.trial.accuracy": (
        "{told} Accuracy: {after} instead of {before}.",
        "{told}准确率：{after}，不用该建议时为 {before}。",
    ),
    "remedy.trial.advice": ("This has to be done by hand.", "这需要手工处理。"),
    "remedy.trial.not_a_module": (
        "Not tried: the activation is called inside forward, and cannot be exchanged from outside.",
        "未试验：该激活函数在 forward 中直接调用，无法从外部替换。",
    ),
    "remedy.trial.no_such_layer": (
        "Not tried: the layer cannot be changed from outside.",
        "未试验：该层无法从外部修改。",
    ),
    "remedy.trial.other_loader": (
        "Not tried: the data comes from a loader of its own kind.",
        "未试验：数据来自自定义的加载器。",
    ),
    "remedy.trial.already": ("Not tried: it is so already.", "未试验：目前已经如此。"),
    "remedy.trial.diverged": ("NaN", "NaN"),
    "remedy.as_it_is": ("as it is", "保持原样"),
    "remedy.with_remedy": ("with the remedy", "采用建议"),
}
