"""Titles of the lectures' derivations."""

WORDS = {
    "examples.graph": ("A graph by hand: f = (x + y) · z", "手算计算图：f = (x + y) · z"),
    "examples.sigmoid-neuron": (
        "A sigmoid neuron, its activation as one gate",
        "Sigmoid 神经元：激活函数作为一个门",
    ),
    "examples.sigmoid-gates": (
        "A sigmoid neuron, its activation as four gates",
        "Sigmoid 神经元：激活函数拆成四个门",
    ),
    "examples.gates": (
        "Three gates: add distributes, max routes, multiply switches",
        "三种门：加法分发，取最大值路由，乘法交换",
    ),
    "examples.squared-norm": ("f = ‖W x‖²: gradients of matrices", "f = ‖W x‖²：矩阵的梯度"),
    "examples.linear": (
        "The linear layer: outer product and Wᵀδ",
        "线性层：外积与 Wᵀδ",
    ),
    "examples.linear-batch": ("The linear layer on a batch", "线性层与批量数据"),
    "examples.softmax-cross-entropy": (
        "Softmax with cross-entropy: p − y",
        "Softmax 与交叉熵：p − y",
    ),
    "examples.mlp-squared": (
        "Fully-connected network: the δ recursion for squared loss",
        "全连接网络：平方损失下的 δ 递推",
    ),
    "examples.mlp-cross-entropy": (
        "Fully-connected network: the δ recursion for cross-entropy",
        "全连接网络：交叉熵损失下的 δ 递推",
    ),
    "examples.convolution": ("Convolution", "卷积"),
    "examples.max-pooling": ("Max-pooling", "最大池化"),
    "examples.cnn": ("A convolutional network", "卷积神经网络"),
    "examples.rnn": ("A recurrent network through time", "循环神经网络：随时间反向传播"),
    "examples.gru": ("GRU through time", "GRU：随时间反向传播"),
    "examples.lstm": ("LSTM through time", "LSTM：随时间反向传播"),
    "examples.attention": ("Attention", "注意力机制"),
}
