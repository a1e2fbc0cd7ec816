"""Words of the shell that all pages share."""

WORDS = {
    "document.skip": ("Skip to the content", "跳到正文"),
    "document.theme": ("Light or dark", "浅色 / 深色"),
    "document.made": ("Made by deltarule from the recorded computation", "由 deltarule 根据记录的计算生成"),
}
