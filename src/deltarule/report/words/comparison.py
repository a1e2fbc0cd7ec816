"""Words of comparisons: several trainings that differ in one thing."""

WORDS = {
    "comparison.title": ("Comparison", "对比实验"),
    "comparison.setting": (
        "Same seed ({seed}) and same batches in the same order. Epochs: {epochs}, of {batches} batches each.",
        "随机种子（{seed}）、批次及其顺序均相同：{epochs} 轮，每轮 {batches} 个批次。",
    ),
    "comparison.best_validation": (
        "{name} ends with the lowest validation loss, {loss}.",
        "{name} 的最终验证损失最低，为 {loss}。",
    ),
    "comparison.best_train": (
        "{name} ends with the lowest training loss, {loss}.",
        "{name} 的最终训练损失最低，为 {loss}。",
    ),
    "comparison.none_left": ("None of them reached the end.", "没有一个完成训练。"),
    "comparison.diverged": (
        "{name} diverged at batch {batch}: {reason}.",
        "{name} 在第 {batch} 个批次发散：{reason}。",
    ),
    "comparison.same_weights": ("All began with the same weights.", "所有实验的初始权重均相同。"),
    "comparison.own_weights": ("Each began with weights of its own.", "各实验的初始权重互不相同。"),
    "comparison.shared": (
        "{name} began with {shared} of its {parameters} weights as in {first}.",
        "{name} 的 {parameters} 个权重中有 {shared} 个与 {first} 的初始值相同。",
    ),
    "comparison.runs": ("What was compared", "对比内容"),
    "comparison.run": ("run", "实验"),
    "comparison.changed": ("changed", "改变之处"),
    "comparison.parameters": ("parameters", "参数量"),
    "comparison.first_loss": ("first loss", "初始损失"),
    "comparison.train": ("training loss", "训练损失"),
    "comparison.validation": ("validation loss", "验证损失"),
    "comparison.at_batch": ("diverged at batch {batch}", "在第 {batch} 个批次发散"),
    "comparison.course": ("The course of training", "训练过程"),
    "comparison.by_epoch": ("Training loss by epoch.", "各轮次的训练损失。"),
    "comparison.by_epoch_validated": ("Validation loss by epoch.", "各轮次的验证损失。"),
    "comparison.train_chart": ("Training loss", "训练损失"),
    "comparison.validation_chart": ("Validation loss", "验证损失"),
    "comparison.epoch": ("epoch", "轮次"),
    "comparison.step": ("step", "步数"),
    "comparison.loss": ("loss", "损失"),
    "comparison.layers": ("Gradients layer by layer", "逐层梯度"),
    "comparison.layers_note": (
        "Norm of the gradient of each layer's parameters, on the same batch. Layers of vectors alone, such "
        "as normalisation, are left out.",
        "在同一批数据上各层参数梯度的范数。只含向量参数的层（如归一化层）未列出。",
    ),
    "comparison.layers_chart": ("Gradient by layer at step {step}", "第 {step} 步各层的梯度"),
    "comparison.layer": ("layer, from the input", "层（从输入端数起）"),
    "comparison.norm": ("gradient norm", "梯度范数"),
    "comparison.at_step": ("at step", "步数"),
    "comparison.nearest_input": ("first layer", "第一层"),
    "comparison.nearest_output": ("last layer", "最后一层"),
    "comparison.ratio": ("first / last", "第一层 / 最后一层"),
    "comparison.time": ("Gradients through time", "沿时间的梯度"),
    "comparison.time_note": (
        "The gradient that reaches each time step, and what is left of it on the way back: ‖∂s[t]/∂s[k]‖, "
        "where s is the state h, of an LSTM h and c.",
        "到达各时间步的梯度，以及反向传播时所保留的部分 ‖∂s[t]/∂s[k]‖，其中 s 为状态 h（LSTM 为 h 与 c）。",
    ),
    "comparison.time_chart": ("‖∂L/∂h[k]‖ at step {step} of the training", "训练第 {step} 步时的 ‖∂L/∂h[k]‖"),
    "comparison.lag_chart": (
        "What is left of a gradient, over the lag, at step {step}",
        "训练第 {step} 步时梯度随间隔的剩余量",
    ),
    "comparison.time_step": ("time step k", "时间步 k"),
    "comparison.rate": ("factor per step", "每步倍数"),
    "comparison.left": ("left after 20 steps", "20 步后剩余"),
    "comparison.earliest": ("at the first step", "第一个时间步"),
    "comparison.latest": ("at the last step", "最后一个时间步"),
    "comparison.recurrent_layer": ("layer", "层"),
}
