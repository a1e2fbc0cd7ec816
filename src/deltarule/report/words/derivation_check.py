"""Words of checked derivations."""

WORDS = {
    "derivation_check.title": ("Check of a derivation", "推导检查"),
    "derivation_check.all_right": (
        "All gradients are right ({count}).",
        "{count} 个梯度全部正确。",
    ),
    "derivation_check.some_wrong": (
        "Wrong: {wrong} of {count} gradients ({names}).",
        "{count} 个梯度中有 {wrong} 个错误（{names}）。",
    ),
    "derivation_check.not_shown_summary": (
        "Zero on all numbers that were tried, so that nothing is proved: {names}.",
        "在所有试过的数值上都为零，因此什么也不能证明：{names}。",
    ),
    "derivation_check.not_finite_summary": (
        "On the given numbers the right gradient is NaN or infinite, so that nothing can be compared: "
        "{names}. Hand in other numbers, on which loss and gradients are finite.",
        "在所给数值上，正确的梯度为 NaN 或无穷大，因此无法比较：{names}。"
        "请换用使损失和梯度均为有限值的数值。",
    ),
    "derivation_check.method": (
        "Compared with the engine's gradients on {trials} set(s) of numbers, in float64.",
        "以 float64 在 {trials} 组数值上与引擎的梯度比较。",
    ),
    "derivation_check.reference": (
        "The engine's own gradient differs from central differences by {error} (relative).",
        "引擎自身的梯度与中心差分的相对误差为 {error}。",
    ),
    "derivation_check.forward": (
        "Your forward values differ from the right ones by {error} (relative).",
        "你的前向结果与正确结果的相对误差为 {error}。",
    ),
    "derivation_check.terms": ("Term by term", "逐项结果"),
    "derivation_check.gradient": ("gradient", "梯度"),
    "derivation_check.verdict": ("verdict", "判定"),
    "derivation_check.error": ("relative error", "相对误差"),
    "derivation_check.note": ("note", "说明"),
    "derivation_check.right": ("✓ right", "✓ 正确"),
    "derivation_check.wrong": ("✗ wrong", "✗ 错误"),
    "derivation_check.not shown": ("◐ not shown", "◐ 无法判定"),
    "derivation_check.not_finite": (
        "the right gradient is NaN or infinite on the given numbers",
        "在所给数值上，正确的梯度为 NaN 或无穷大",
    ),
    "derivation_check.other_numbers": (
        "the given numbers cannot tell; others were drawn",
        "所给数值无法区分对错，已另取数值",
    ),
    "derivation_check.kinks": (
        "{count} element(s) lie on a kink, where several answers are right",
        "{count} 个元素位于不可导点，那里有多个正确答案",
    ),
    "derivation_check.shape": (
        "its shape is {given}, it should be {expected}",
        "形状为 {given}，应为 {expected}",
    ),
    "derivation_check.problem": ("could not be computed: {problem}", "无法计算：{problem}"),
    "derivation_check.mistake": ("Mistake {number}: {name}", "错误 {number}：{name}"),
    "derivation_check.concerns": ("It makes these gradients wrong: {names}.", "它使这些梯度出错：{names}。"),
    "derivation_check.proof": (
        "Proved on numbers drawn {trials} times: the right backward pass with just this mistake gives your "
        "numbers (relative difference {error}).",
        "已在 {trials} 组数值上验证：正确的反向传播只要加上这个错误，就得到你的数值（相对差 {error}）。",
    ),
    "derivation_check.proof_formula": (
        "Proved on numbers drawn {trials} times: so corrected, it is right (relative error {error}).",
        "已在 {trials} 组数值上验证：这样改正之后梯度就正确（相对误差 {error}）。",
    ),
    "derivation_check.corrected": ("Corrected: {formula}", "改正后：{formula}"),
    "derivation_check.your_part": (
        "The part of your formula that is concerned: {part}",
        "你的公式中出错的部分：{part}",
    ),
    "derivation_check.besides": (
        "Besides, your gradient has the factor {factor}.",
        "此外，你的梯度还多了因子 {factor}。",
    ),
    "derivation_check.equation_right": ("As it should be:", "应当是："),
    "derivation_check.equation_faulty": ("With the mistake:", "带有错误的是："),
    "derivation_check.where": ("Where: {places}.", "位置：{places}。"),
    "derivation_check.where.one": ("{operation}", "{operation}"),
    "derivation_check.where.number": (
        "{operation}, number {number} of {of} in the order of computation",
        "{operation}，按计算顺序第 {number} 个（共 {of} 个）",
    ),
    "derivation_check.where.all": ("all {of} operations {operation}", "全部 {of} 个 {operation} 运算"),
    "derivation_check.where.layer": ("layer {layer}", "层 {layer}"),
    "derivation_check.where.gate": ("gate {gate}", "门 {gate}"),
    "derivation_check.where.step": ("time step t = {step} alone", "仅时间步 t = {step}"),
    "derivation_check.where.steps": ("at every time step", "每个时间步"),
    "derivation_check.where.hidden": ("the path through the hidden state", "经过隐藏状态的路径"),
    "derivation_check.where.cell": ("the path through the cell state", "经过细胞状态的路径"),
    "derivation_check.where.line": ("your line for {line}", "你写的 {line} 一行"),
    "derivation_check.extent.batch": ("the size of the batch", "批量大小"),
    "derivation_check.extent.time": ("the number of time steps", "时间步数"),
    "derivation_check.extent.classes": ("the number of classes or features", "类别数或特征数"),
    "derivation_check.extent.elements": ("the number of elements", "元素个数"),
    "derivation_check.counts": ("It is a factor that counts {extent}.", "这个因子就是{extent}。"),
    "derivation_check.axis.batch": ("the batch", "批量"),
    "derivation_check.axis.time": ("time", "时间"),
    "derivation_check.axis.number": ("axis {axes}", "第 {axes} 轴"),
    # What each kind of mistake is called.
    "derivation_check.name.sign": ("the sign", "符号错误"),
    "derivation_check.name.summand_sign": ("the sign of a summand", "某一项的符号错误"),
    "derivation_check.name.transposed": ("transposed", "转置错误"),
    "derivation_check.name.operand_order": ("the order of a product", "乘积的次序错误"),
    "derivation_check.name.zero": ("no gradient at all", "完全没有梯度"),
    "derivation_check.name.factor": ("a constant factor", "常数因子错误"),
    "derivation_check.name.missing_factor": ("a missing factor", "缺少一个因子"),
    "derivation_check.name.extra_factor": ("a factor too much", "多了一个因子"),
    "derivation_check.name.missing_square": ("a missing square", "缺少平方"),
    "derivation_check.name.missing_function": ("a missing function", "缺少一个函数"),
    "derivation_check.name.wrong_slope": ("the derivative of another activation", "用了别的激活函数的导数"),
    "derivation_check.name.wrong_point": ("a derivative taken at the wrong point", "导数取在错误的点上"),
    "derivation_check.name.wrong_operand": ("another array", "用错了数组"),
    "derivation_check.name.wrong_symbol": ("another symbol", "用错了符号"),
    "derivation_check.name.wrong_index": ("another index", "用错了下标"),
    "derivation_check.name.wrong_axis": ("a sum over another axis", "求和的轴错误"),
    "derivation_check.name.missing_summand": ("a missing summand", "缺少一项"),
    "derivation_check.name.extra_summand": ("a summand too much", "多了一项"),
    "derivation_check.name.missing_contribution": (
        "a missing contribution at a branch", "分支处缺少一条路径的贡献",
    ),
    "derivation_check.name.constant": ("a result treated as a constant", "把计算结果当成了常数"),
    "derivation_check.name.missing_recurrent": ("the missing recurrent term", "缺少循环项"),
    "derivation_check.name.missing_step": ("a missing time step", "缺少一个时间步"),
    "derivation_check.name.skipped_step": ("a skipped time step", "跳过了一个时间步"),
    "derivation_check.name.wrong_step": ("a state off by one step", "状态差了一个时间步"),
    "derivation_check.name.shifted": ("off by one step", "差了一个时间步"),
    "derivation_check.name.swapped_gates": ("gates swapped", "门的次序错误"),
    "derivation_check.name.wrong_gate": ("the error term of a gate", "某个门的误差项错误"),
    "derivation_check.name.flipped": ("flipped", "翻转错误"),
    "derivation_check.name.elementwise": (
        "a full Jacobian treated as element-wise", "把完整的雅可比矩阵当成逐元素导数",
    ),
    "derivation_check.name.product_for_hadamard": (
        "a matrix product in place of ⊙", "该用 ⊙ 处用了矩阵乘法",
    ),
    "derivation_check.name.hadamard_for_product": (
        "⊙ in place of a matrix product", "该用矩阵乘法处用了 ⊙",
    ),
    "derivation_check.name.missing_sum": ("a missing sum", "缺少求和"),
    "derivation_check.name.extra_sum": ("a sum too much", "多了求和"),
    "derivation_check.name.extra_sum_index": ("a sum over an index too much", "多了一个求和下标"),
    "derivation_check.name.mean_for_sum": ("a mean in place of a sum", "该求和处取了平均"),
    "derivation_check.name.sum_for_mean": ("a sum in place of a mean", "该取平均处求了和"),
    "derivation_check.name.last_only": ("only the last term of a sum", "求和只剩最后一项"),
    "derivation_check.name.first_only": ("only the first term of a sum", "求和只剩第一项"),
    "derivation_check.name.kept_axes": ("the shape", "形状错误"),
    "derivation_check.name.raises": ("it cannot be computed", "无法计算"),
    # What each kind of mistake says, with its parts.
    "derivation_check.says.sign": ("The sign is wrong.", "符号错误。"),
    "derivation_check.says.summand_sign": (
        "The summand {subject} has the wrong sign.", "{subject} 这一项的符号错误。",
    ),
    "derivation_check.says.transposed": ("It is transposed.", "它被转置了。"),
    "derivation_check.says.transposed_part": (
        "{used} is transposed: it should be {subject}.", "{used} 被转置了，应为 {subject}。",
    ),
    "derivation_check.says.operand_order": (
        "The factors of {used} stand in the wrong order: it should be {subject}.",
        "{used} 的因子次序错误，应为 {subject}。",
    ),
    "derivation_check.says.zero": (
        "It is zero everywhere, and should not be.", "它处处为零，而不应为零。",
    ),
    "derivation_check.says.factor": (
        "Your gradient is {factor} times the right one.", "你的梯度是正确值的 {factor} 倍。",
    ),
    "derivation_check.says.missing_factor": (
        "The factor {subject} is missing.", "缺少因子 {subject}。",
    ),
    "derivation_check.says.extra_factor": (
        "The factor {used} is too much.", "多了因子 {used}。",
    ),
    "derivation_check.says.missing_square": (
        "{subject} has lost its square: {used} stands there.", "{subject} 丢了平方，写成了 {used}。",
    ),
    "derivation_check.says.missing_function": (
        "{used} stands where {subject} belongs.", "应为 {subject}，却写成了 {used}。",
    ),
    "derivation_check.says.wrong_slope": (
        "The derivative of another activation is used: {used} in place of {subject}.",
        "用了别的激活函数的导数：应为 {subject}，却写成了 {used}。",
    ),
    "derivation_check.says.wrong_point": (
        "The derivative is taken at {used} in place of {subject}.",
        "导数取在了 {used} 处，而应取在 {subject} 处。",
    ),
    "derivation_check.says.wrong_operand": (
        "{used} is used in place of {subject}.", "该用 {subject} 处用了 {used}。",
    ),
    "derivation_check.says.wrong_symbol": (
        "{used} stands where {subject} belongs.", "该写 {subject} 处写成了 {used}。",
    ),
    "derivation_check.says.wrong_index": (
        "The indices of {used} are wrong: it should be {subject}.", "{used} 的下标错误，应为 {subject}。",
    ),
    "derivation_check.says.wrong_axis": (
        "The sum goes over another axis: {used} in place of {subject}.",
        "求和的轴错误：应为 {subject}，却写成了 {used}。",
    ),
    "derivation_check.says.missing_summand": (
        "The summand {subject} is missing.", "缺少 {subject} 这一项。",
    ),
    "derivation_check.says.extra_summand": ("The summand {used} is too much.", "多了 {used} 这一项。"),
    "derivation_check.says.missing_contribution": (
        "{value} is used in several places; what this one contributes is missing.",
        "{value} 在多处使用，而这一处的贡献缺失了。",
    ),
    "derivation_check.says.constant": (
        "The result of this operation depends on the inputs too, and was treated as a constant.",
        "这个运算的结果也依赖于输入，却被当成了常数。",
    ),
    "derivation_check.says.missing_recurrent": (
        "What comes back from the next time step is missing: {subject}.",
        "缺少从下一个时间步传回的项：{subject}。",
    ),
    "derivation_check.says.missing_step": (
        "The sum over time leaves out one time step.", "对时间的求和漏掉了一个时间步。",
    ),
    "derivation_check.says.skipped_step": (
        "The loop over time leaves out one time step.", "时间循环漏掉了一个时间步。",
    ),
    "derivation_check.says.wrong_step": (
        "The state of a neighbouring time step is used: {used} in place of {subject}.",
        "用了相邻时间步的状态：应为 {subject}，却用了 {used}。",
    ),
    "derivation_check.says.shifted": (
        "It is off by one step: {used} in place of {subject}.",
        "差了一个时间步：应为 {subject}，却写成了 {used}。",
    ),
    "derivation_check.says.swapped_gates": (
        "The gates' rows stand in the wrong order ({gates}).", "各门的行次序错误（{gates}）。",
    ),
    "derivation_check.says.wrong_gate": (
        "With recurrent weights of zero, so that no gate's error reaches another, the rows of this gate "
        "alone are wrong.",
        "把循环权重置零，使各门的误差互不影响，这时只有这个门的行是错的。",
    ),
    "derivation_check.says.flipped": (
        "It is flipped along its last two axes, as when a convolution is taken for a correlation.",
        "它沿最后两个轴翻转了，就像把互相关当成了卷积。",
    ),
    "derivation_check.says.elementwise": (
        "Every output depends on every input, but only each one's own share was counted: {used} in place "
        "of {subject}.",
        "每个输出都依赖所有输入，而只计入了自身的那一份：应为 {subject}，却只有 {used}。",
    ),
    "derivation_check.says.product_for_hadamard": (
        "{used} is a matrix product, and should go element by element: {subject}.",
        "{used} 是矩阵乘法，而应当逐元素相乘：{subject}。",
    ),
    "derivation_check.says.hadamard_for_product": (
        "{used} goes element by element, and should be a matrix product: {subject}.",
        "{used} 是逐元素相乘，而应当是矩阵乘法：{subject}。",
    ),
    "derivation_check.says.missing_sum": (
        "The sum over {axis} is missing.", "缺少对{axis}的求和。",
    ),
    "derivation_check.says.missing_sum_part": (
        "A sum is missing: it should be {subject}.", "缺少求和，应为 {subject}。",
    ),
    "derivation_check.says.extra_sum": ("It is summed over {axis}, and should not be.", "不应对{axis}求和。"),
    "derivation_check.says.extra_sum_index": (
        "The sum {used} is too much.", "多了求和 {used}。",
    ),
    "derivation_check.says.mean_for_sum": (
        "A mean is taken where the sum belongs: {subject}.", "该求和处取了平均，应为 {subject}。",
    ),
    "derivation_check.says.sum_for_mean": (
        "A sum is taken where the mean belongs: {subject}.", "该取平均处求了和，应为 {subject}。",
    ),
    "derivation_check.says.last_only": (
        "Of the sum {subject} only the last term is there, as when a loop overwrites what it should add up.",
        "求和 {subject} 只剩最后一项，就像循环中用赋值代替了累加。",
    ),
    "derivation_check.says.first_only": (
        "Of the sum {subject} only the first term is there, as when a loop that runs backwards overwrites "
        "what it should add up.",
        "求和 {subject} 只剩第一项，就像反向循环中用赋值代替了累加。",
    ),
    "derivation_check.says.kept_axes": (
        "The numbers are right, but not the shape.", "数值正确，但形状不对。",
    ),
    "derivation_check.says.raises": ("It says: {used}", "提示：{used}"),
    # The example.
    "derivation_check.example": ("Smallest numbers that show it", "能显示错误的最小数值"),
    "derivation_check.array": ("array", "数组"),
    "derivation_check.value": ("value", "值"),
    "derivation_check.upstream": ("upstream ∂L/∂y", "上游梯度 ∂L/∂y"),
    "derivation_check.expected": ("right: ∂L/∂{name}", "正确：∂L/∂{name}"),
    "derivation_check.given": ("yours: ∂L/∂{name}", "你的：∂L/∂{name}"),
    "derivation_check.formula": ("formula", "公式"),
    "derivation_check.arithmetic": ("in numbers", "代入数值"),
    "derivation_check.line_right": ("right", "正确"),
    "derivation_check.line_wrong": ("yours", "你的"),
    "derivation_check.whose": ("version", "版本"),
    # Parts, gates, steps, patterns.
    "derivation_check.parts": (
        "Your formula for ∂L/∂{name}, part by part",
        "你写的 ∂L/∂{name} 的公式，逐部分检查",
    ),
    "derivation_check.understood": ("It was understood as:", "它被理解为："),
    "derivation_check.part": ("part", "部分"),
    "derivation_check.meaning": ("what it is", "含义"),
    "derivation_check.unknown": ("?", "？"),
    "derivation_check.blocks": ("Gates", "各门"),
    "derivation_check.gate": ("gate", "门"),
    "derivation_check.rows": ("rows", "行"),
    "derivation_check.steps": ("Time steps", "各时间步"),
    "derivation_check.step": ("t", "时间步 t"),
    "derivation_check.unexplained": (
        "No simple mistake explains ∂L/∂{name}",
        "没有简单的错误能解释 ∂L/∂{name}",
    ),
    "derivation_check.pattern": (
        "{wrong} of {size} elements differ.", "{size} 个元素中有 {wrong} 个不同。",
    ),
    "derivation_check.pattern_rows": ("Only these rows differ: {rows}.", "只有这些行不同：{rows}。"),
    "derivation_check.pattern_columns": (
        "Only these columns differ: {columns}.",
        "只有这些列不同：{columns}。",
    ),
    "derivation_check.correlation": (
        "Correlation with the right gradient: {correlation}; best multiple of it: {scale}.",
        "与正确梯度的相关系数为 {correlation}；最接近的倍数为 {scale}。",
    ),
    "derivation_check.lengths": (
        "On sequences cut short: {values} (length: relative error).",
        "截短序列后：{values}（长度：相对误差）。",
    ),
    "derivation_check.losses": (
        "With a loss that looks at one step alone: {values} (step: relative error).",
        "损失只看单个时间步时：{values}（时间步：相对误差）。",
    ),
    "derivation_check.difference": ("Yours less the right ∂L/∂{name}", "你的 ∂L/∂{name} 减去正确值"),
    "derivation_check.errors": ("Relative errors of the gradients", "各梯度的相对误差"),
    "derivation_check.row": ("row", "行"),
    "derivation_check.column": ("column", "列"),
}  # fmt: skip
