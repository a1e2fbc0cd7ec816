"""Words of the gradient's way back through time."""

WORDS = {
    "flow.title": ("The gradient on its way back through time", "梯度沿时间的反向传播"),
    "flow.loss": ("The loss is {loss}.", "损失为 {loss}。"),
    "flow.batch": (
        "Jacobians and their products are those of sample {sample} of a batch of {batch}. Contributions and "
        "gradients are those of the whole batch.",
        "雅可比矩阵及其乘积只取自批量（共 {batch} 个样本）中的第 {sample} 号样本（从 0 编号）；"
        "贡献和梯度则针对整个批量。",
    ),
    "flow.meaning": (
        "C[t, k] is what the loss at step t contributes to the gradient of a weight through the weight's use "
        "at step k. All of them together are the gradient.",
        "C[t, k] 是第 t 步的损失经由权重在第 k 步的使用对其梯度作出的贡献；所有贡献之和就是梯度。",
    ),
    "flow.legend": (
        "L is the loss, W a weight, n a sample; δ is the error of the sums that the weight enters, u "
        "what the "
        "weight is multiplied by (x or h, 1 for a bias); s is the state, J the Jacobian of a step.",
        "L 为损失，W 为权重，n 为样本；δ 是该权重所参与的加权和的误差项，u 是与权重相乘的量（x 或 h，"
        "偏置时为 1）；"
        "s 为状态，J 为一步的雅可比矩阵。",
    ),
    "flow.legend.rnn": ("φ' is the derivative of the activation.", "φ' 为激活函数的导数。"),
    "flow.legend.gru": (
        "D is the derivative of the new state for the sums that W_hh enters, z the update gate.",
        "D 为新状态对 W_hh 所参与的加权和的导数，z 为更新门。",
    ),
    "flow.legend.lstm": (
        "D is the derivative of the new states for the sums that W_hh enters, F the way from one cell "
        "state on "
        "to the next states, f the forget gate.",
        "D 为新状态对 W_hh 所参与的加权和的导数，F 为细胞状态直接通往下一步状态的路径，f 为遗忘门。",
    ),
    "flow.layer": (
        "{name}: {kind}, {steps} steps, {hidden} hidden units",
        "{name}：{kind}，{steps} 个时间步，{hidden} 个隐藏单元",
    ),
    "flow.layer_reverse": (
        "{name}: {kind} from the last step to the first, {steps} steps, {hidden} hidden units",
        "{name}：反向 {kind}，{steps} 个时间步，{hidden} 个隐藏单元",
    ),
    "flow.rate": (
        "{rate} per step: after {steps} steps {left} is left.",
        "每步 {rate}：{steps} 步之后只剩 {left}。",
    ),
    "flow.rate_growing": (
        "{rate} per step: after {steps} steps the gradient is {left} times as large.",
        "每步 {rate}：{steps} 步之后梯度放大到 {left} 倍。",
    ),
    "flow.linked": (
        "Between steps the state is cut off, or other operations change it. How gradients pass from step to "
        "step is shown from the last such place on: {count} of {steps} steps.",
        "时间步之间状态被截断，或被其他运算改变。"
        "逐步传递的分析从最后一处之后开始：{steps} 步中的 {count} 步。",
    ),
    "flow.rate_none": ("A single step hands nothing on.", "只有一个时间步，没有可传递的梯度。"),
    "flow.rate_dead": (
        "Exactly nothing is handed on from one step to the next.",
        "相邻时间步之间传递的梯度恰好为零。",
    ),
    "flow.rate_unknown": (
        "The rate is unknown: values have left the range of floats.",
        "倍数未知：数值已超出浮点数的范围。",
    ),
    "flow.vanishes": (
        "The gradient vanishes: {lag} steps back it is below the resolution of {dtype} ({limit}), "
        "relative to "
        "where it starts.",
        "梯度消失：往回 {lag} 步后，相对于起点已低于 {dtype} 的分辨率（{limit}）。",
    ),
    "flow.vanishes_beyond": (
        "At this rate the gradient falls below the resolution of {dtype} ({limit}) after {lag} steps, more "
        "than the sequence has.",
        "照此推算，{lag} 步之后梯度将低于 {dtype} 的分辨率（{limit}），但该步数超出了序列长度。",
    ),
    "flow.explodes": (
        "The gradient explodes: {lag} steps back it exceeds the largest {dtype} ({limit}), relative to where "
        "it starts.",
        "梯度爆炸：往回 {lag} 步后，相对于起点已超过 {dtype} 的最大值（{limit}）。",
    ),
    "flow.explodes_beyond": (
        "At this rate the gradient exceeds the largest {dtype} ({limit}) after {lag} steps, more than the "
        "sequence has.",
        "照此推算，{lag} 步之后梯度将超过 {dtype} 的最大值（{limit}），但该步数超出了序列长度。",
    ),
    "flow.keeps": (
        "It neither vanishes nor explodes within any length of use.",
        "在任何实际长度内，梯度既不消失也不爆炸。",
    ),
    "flow.estimated": (
        "The layer is wide: norms and radii were estimated from products with a few vectors, for some "
        "steps and "
        "lags. Norms are estimated from below.",
        "该层很宽：范数与谱半径由雅可比矩阵与少量向量的乘积估计，只取部分时间步和间隔；范数是下界估计。",
    ),
    "flow.ways": ("Ways back through the layer", "穿过该层的反向路径"),
    "flow.way": ("Way", "路径"),
    "flow.way.state": ("both states together, ∂(h, c)/∂(h, c)", "两种状态合并 ∂(h, c)/∂(h, c)"),
    "flow.way.hidden": ("hidden state, ∂h[t]/∂h[k]", "隐藏状态 ∂h[t]/∂h[k]"),
    "flow.way.cell": ("cell state, ∂c[t]/∂c[k]", "细胞状态 ∂c[t]/∂c[k]"),
    "flow.way.carried": (
        "through the cell and the forget gate alone, ∏ diag(f)",
        "只经细胞状态与遗忘门 ∏ diag(f)",
    ),
    "flow.way.carried_gru": ("through the update gate alone, ∏ diag(z)", "只经更新门 ∏ diag(z)"),
    "flow.way.recurrent": (
        "through the hidden state and the recurrent weights alone",
        "只经隐藏状态与循环权重",
    ),
    "flow.fit": ("fitted: {rate} per step", "拟合：每步 {rate}"),
    "flow.per_step": ("Rate per step", "每步倍数"),
    "flow.left": ("Left after {steps} steps", "{steps} 步后剩余"),
    "flow.horizon": ("Horizon", "可达步数"),
    "flow.horizon.vanishes": ("vanishes at {lag}", "{lag} 步处消失"),
    "flow.horizon.explodes": ("explodes at {lag}", "{lag} 步处爆炸"),
    "flow.horizon.unknown": ("unknown", "未知"),
    "flow.horizon.keeps": ("no limit", "无限制"),
    "flow.lag": ("lag t − k (steps)", "间隔 t − k（步）"),
    "flow.norm": ("spectral norm", "谱范数"),
    "flow.lag_chart": ("What is left of a gradient, over the lag", "梯度随间隔的剩余量"),
    "flow.contributions": (
        "{name}: contributions to the gradients of the weights",
        "{name}：对权重梯度的贡献",
    ),
    "flow.entering": (
        "The loss enters here at {count} of {steps} steps.",
        "在 {steps} 个时间步中，损失从其中 {count} 个进入该层。",
    ),
    "flow.weight": ("Weight", "权重"),
    "flow.shape": ("Shape", "形状"),
    "flow.gradient_norm": ("‖gradient‖", "‖梯度‖"),
    "flow.deviation": ("Σ C against the engine", "Σ C 与引擎的偏差"),
    "flow.deviation_note": (
        "The last but one column is the largest difference between the sum of all contributions and the "
        "gradient "
        "that the engine computed, relative to its largest element.",
        "倒数第二列是全部贡献之和与引擎所算梯度的最大差值，相对于梯度的最大元素。",
    ),
    "flow.paths": ("Paths from the loss", "到损失的路径数"),
    "flow.sizes_map": (
        "Sizes: log₁₀ ‖C[t, k]‖ of {weight} (grey: exactly 0)",
        "大小：{weight} 的 log₁₀ ‖C[t, k]‖（灰色：恰好为 0）",
    ),
    "flow.shares_map": (
        "Shares of the gradient of {weight}, which sum to 1",
        "各贡献占 {weight} 梯度的份额（总和为 1）",
    ),
    "flow.entry_axis": ("loss at step t", "第 t 步的损失"),
    "flow.use_axis": ("use at step k", "第 k 步的使用"),
    "flow.lag_shares": ("Share of the gradient of {weight} by lag", "{weight} 梯度份额随间隔的分布"),
    "flow.share": ("share", "份额"),
    "flow.states": ("{name}: gradients of the states", "{name}：状态的梯度"),
    "flow.states_chart": ("Size of ∂L/∂h[k] over the steps", "∂L/∂h[k] 的大小随时间步的变化"),
    "flow.step": ("step k", "时间步 k"),
    "flow.hidden": ("‖∂L/∂h[k]‖, whole batch", "‖∂L/∂h[k]‖，整个批量"),
    "flow.cell": ("‖∂L/∂c[k]‖, whole batch", "‖∂L/∂c[k]‖，整个批量"),
    "flow.largest": (
        "Largest at step {step}: {size}. Smallest at step {other}: {least}.",
        "最大在第 {step} 步：{size}；最小在第 {other} 步：{least}。",
    ),
    "flow.steps": ("{name}: the Jacobian of each step", "{name}：每一步的雅可比矩阵"),
    "flow.factors": (
        "Each is the activation's derivative times the recurrent weight: derivatives of {mean} on average "
        "(largest {largest}), a weight of spectral norm {norm} and spectral radius {radius}.",
        "每个雅可比矩阵都是激活函数的导数乘以循环权重：导数平均为 {mean}（最大 {largest}），"
        "权重的谱范数为 {norm}，谱半径为 {radius}。",
    ),
    "flow.factors_gated": (
        "Each is the gates' derivatives times the recurrent weight, and what is carried past it: "
        "derivatives of "
        "{mean} on average, carried {carried} on average (largest {largest}).",
        "每个雅可比矩阵由门的导数乘以循环权重，再加上绕过循环权重的部分组成：导数平均为 {mean}，"
        "绕行部分平均为 {carried}（最大 {largest}）。",
    ),
    "flow.weight_norm": (
        "The recurrent weight has spectral norm {norm}.",
        "循环权重的谱范数为 {norm}。",
    ),
    "flow.steps_chart": (
        "Spectral radius and norm of each step's Jacobian",
        "每一步雅可比矩阵的谱半径与谱范数",
    ),
    "flow.factors_chart": ("The parts of each step's Jacobian", "每一步雅可比矩阵的组成部分"),
    "flow.radius": ("spectral radius", "谱半径"),
    "flow.value": ("value", "数值"),
    "flow.slopes": ("mean derivative of the activation", "激活函数导数的均值"),
    "flow.slopes_gated": ("mean derivative of the gates", "门导数的均值"),
    "flow.carried": ("mean carried past the weights", "绕过权重部分的均值"),
    "flow.unknown": ("–", "–"),
}
