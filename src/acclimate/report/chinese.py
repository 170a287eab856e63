"""The catalog: what the report says in English, and the same in Chinese.

Keys are templates of `str.format`; both sides have the same places.
"""

from collections.abc import Mapping

CHINESE: Mapping[str, str] = {
    # The frame of the page
    "Acclimate report": "Acclimate 报告",
    "{verdict}: {name} · Acclimate report": "{verdict}：{name} · Acclimate 报告",
    "Skip to the verdict": "跳到结论",
    "Language": "语言",
    "Sections": "章节",
    "Method": "方法",
    "Base": "基础模型",
    "Verdict": "结论",
    "Scores": "得分",
    "Cost": "代价",
    "Training": "训练",
    "Map": "地图",
    "Wins and losses": "得与失",
    "Vocabulary": "词表",
    "Data": "数据",
    "Reproduce": "复现",
    "The numbers": "数值",
    "None.": "没有。",
    "yes": "是",
    "no": "否",
    "none": "无",
    "what": "项目",
    "value": "值",
    # Verdict
    "Gained": "有提升",
    "Unproven": "未证实",
    "No gain": "无提升",
    "Forgotten": "有遗忘",
    "Diverged": "发散",
    "No verdict": "没有结论",
    "The run did not reach its gate.": "这次运行没有进行到检验。",
    "The tuned model is better on your test data, and what it knew before is still there.": (
        "微调后的模型在你的测试数据上更好，原有的能力也还在。"
    ),
    "The tuned model looks better, but the interval holds zero: the difference may be chance. "
    "More test queries would narrow it.": (
        "微调后的模型看起来更好，但区间包含零：差异可能出于偶然。更多测试查询会使区间变窄。"
    ),
    "The tuned model is not better on your test data than the base.": "微调后的模型在你的测试数据上不比基础模型好。",
    "The tuned model lost more of its general ability than the limit allows.": (
        "微调后的模型丧失的通用能力超过了允许的限度。"
    ),
    "Training did not converge: losses or gradients were no longer finite.": "训练没有收敛：损失或梯度不再是有限数。",
    "Test: {name} went from {before} to {after} ({change}, 95% interval {interval}, {chance}).": (
        "测试集：{name} 从 {before} 变为 {after}（{change}，95% 区间 {interval}，{chance}）。"
    ),
    "Test: {name} went from {before} to {after} ({change}).": "测试集：{name} 从 {before} 变为 {after}（{change}）。",
    "A search by words alone (BM25) has {name} {value} there.": (
        "仅凭词语的搜索（BM25）在同一测试集上的 {name} 为 {value}。"
    ),
    "General: the score went from {before} to {after} ({change}); a fall of up to {limit:g} is allowed.": (
        "通用能力：得分从 {before} 变为 {after}（{change}）；最多允许下降 {limit:g}。"
    ),
    "model/ holds the base, unchanged; the tuned model is in rejected/.": (
        "model/ 中是未改动的基础模型；微调后的模型在 rejected/ 中。"
    ),
    "model/ holds the tuned model.": "model/ 中是微调后的模型。",
    "model/ holds the base, unchanged.": "model/ 中是未改动的基础模型。",
    "model/ holds the tuned model, because it was to be kept anyway.": (
        "model/ 中是微调后的模型，因为要求无论如何都保留它。"
    ),
    "Gate:": "检验：",
    "{of} changed by {change} (95% interval {low} to {high}): not better": (
        "{of}变化 {change}（95% 区间 {low} 到 {high}）：没有更好"
    ),
    "{of} changed by {change} (95% interval {low} to {high}): better, but the interval holds zero, "
    "so the gain is not proven": "{of}变化 {change}（95% 区间 {low} 到 {high}）：更好，但区间包含零，提升未得到证实",
    "{of} changed by {change} (95% interval {low} to {high}): above zero": (
        "{of}变化 {change}（95% 区间 {low} 到 {high}）：高于零"
    ),
    "the general score fell by {drop}, more than the limit {limit}": "通用得分下降 {drop}，超过限度 {limit}",
    "no general data was scored, so forgetting was not judged": "没有评测通用数据，因此没有判断遗忘",
    "training diverged: a loss or a score is not a finite number": "训练发散：某个损失或得分不是有限数",
    "these are queries made of the texts themselves, so what users ask is not tested: --test would": (
        "这些查询由文本本身生成，因此没有测试用户真正会问的内容：用 --test 可以"
    ),
    "Where these numbers come from": "这些数字从何而来",
    "Seed, data and versions": "随机种子、数据与版本",
    # Scores
    "Before and after": "微调前后",
    "Test: data that training never saw": "测试集：训练从未见过的数据",
    "Task {name}": "任务 {name}",
    "General: what must not be forgotten": "通用能力：不应遗忘的内容",
    "All general metrics": "全部通用指标",
    "General, the other metrics": "通用能力的其他指标",
    "Intervals are of the difference, paired by query. “unclear” means that the interval holds zero.": (
        "区间是差值的区间，按查询配对。“不明”表示区间包含零。"
    ),
    "BM25 is a search by words alone over the same documents.": "BM25 是在同样文档上仅凭词语的搜索。",
    "metric": "指标",
    "before": "微调前",
    "after": "微调后",
    "change": "变化",
    "95% interval": "95% 区间",
    "reading": "判读",
    "better": "更好",
    "worse": "更差",
    "unclear": "不明",
    "{low} to {high}": "{low} 到 {high}",
    "quality of the first ten documents": "前十个文档的质量",
    "mean of 1/rank of the first relevant document": "首个相关文档名次倒数的均值",
    "the same, with 0 for ranks beyond 10": "同上，第 10 名之后计 0",
    "relevant documents found at rank 1": "排在第 1 名的相关文档比例",
    "relevant documents among the first 5": "前 5 名中的相关文档比例",
    "relevant documents among the first 10": "前 10 名中的相关文档比例",
    "relevant documents among the first 100": "前 100 名中的相关文档比例",
    "mean precision at the relevant documents": "各相关文档处精确率的均值",
    "mean rank of the first relevant document": "首个相关文档名次的均值",
    "median rank of the first relevant document": "首个相关文档名次的中位数",
    "rank correlation with the given scores": "与给定分数的秩相关",
    "linear correlation with the given scores": "与给定分数的线性相关",
    "share of right labels": "标签正确的比例",
    "F1, averaged over classes": "F1，按类别平均",
    "squared distance of matching vectors": "匹配向量之间的平方距离",
    "how evenly vectors spread, lower is more": "向量分布的均匀程度，越低越均匀",
    "directions that the vectors really use": "向量实际用到的方向数",
    "mean over the general tasks": "各通用任务的均值",
    "median time of one query": "单个查询用时的中位数",
    "time that 95% of queries stay below": "95% 的查询不超过的用时",
    "encoding speed": "编码速度",
    "Change with its interval": "变化及其区间",
    "Change of each metric with its 95% interval": "各指标的变化及其 95% 区间",
    "Change of each metric": "各指标的变化",
    "tuned minus base": "微调后减基础模型",
    "A line that does not cross zero is a difference that chance hardly explains.": (
        "不跨过零的线表示难以用偶然解释的差异。"
    ),
    "lower end": "下端",
    "upper end": "上端",
    "general score": "通用得分",
    "general {name}": "通用 {name}",
    "Gain against forgetting": "提升与遗忘",
    "change of the general score": "通用得分的变化",
    "change of {name}": "{name} 的变化",
    "The result on test, with its 95% intervals; the base is the origin.": (
        "测试集上的结果及其 95% 区间；原点是基础模型。"
    ),
    "{test} (test), {dev} (dev)": "{test}（测试集）、{dev}（验证集）",
    "Tuned weights, and shares of them in the average with the base, as dev scores them; ringed is the one "
    "that was taken.": ("微调后的权重，以及它与基础模型取平均时的各种比例，得分来自验证集；带圈的是所采用的。"),
    "Left of the dashed line more is forgotten than the gate allows ({limit:g}).": (
        "虚线以左，遗忘超过检验所允许的（{limit:g}）。"
    ),
    "base": "基础模型",
    "tuned": "微调后",
    "test": "测试集",
    "dev": "验证集",
    "limit": "限度",
    "point": "点",
    "on dev": "验证集上",
    "on test": "测试集上",
    # Cost
    "What the run cost": "这次运行的代价",
    "Train time and speed are of the training loop with its optimizer, without tokenizing and evaluation.": (
        "训练时间与速度只计训练循环及其优化器，不含分词和评测。"
    ),
    "What it costs to use": "使用的代价",
    "Some queries of the test one by one, base and tuned model in turns, on the machine of the run.": (
        "在运行所用的机器上逐个编码测试集的若干查询，基础模型与微调后的模型交替进行。"
    ),
    "train time": "训练时间",
    "examples per second": "每秒样本数",
    "steps": "步数",
    "best step": "最佳步",
    "closure calls": "闭包调用次数",
    "peak memory": "内存峰值",
    "trainable parameters": "可训练参数",
    "total parameters": "参数总数",
    "delta size": "增量大小",
    "model size": "模型大小",
    # Training
    "step": "步",
    "loss": "损失",
    "weight": "权重",
    "share": "比例",
    "{name} over the steps": "{name}随步数的变化",
    "Each point is the mean of {steps} steps.": "每个点是 {steps} 步的均值。",
    "Training loss": "训练损失",
    "Weights of the losses": "各损失的权重",
    "What the run found that each objective should count.": "运行自行得出的各目标的权重。",
    "Dev score": "验证集得分",
    "Dev scores": "验证集得分",
    "{name} on dev over the steps": "验证集 {name} 随步数的变化",
    "{name} on dev": "验证集 {name}",
    "Ringed: the best {name} on dev after training began, {value} at step {step:g}. Step 0 is the base. Test "
    "data plays no part here.": (
        "带圈：训练开始后验证集上最好的 {name}，第 {step:g} 步时为 {value}。第 0 步是基础模型。测试数据不参与其中。"
    ),
    "Learning rate": "学习率",
    "learning rate": "学习率",
    "Gradient norm": "梯度范数",
    "gradient norm": "梯度范数",
    "Before clipping. {clipped:,} of {steps:,} steps were clipped to {clip:g}.": (
        "裁剪之前。{steps:,} 步中有 {clipped:,} 步被裁剪到 {clip:g}。"
    ),
    "Gradient norm of each block": "各层的梯度范数",
    "Gradient norm of each block over the steps": "各层的梯度范数随步数的变化",
    "The top of the encoder is on top. Each cell is the mean of {width:g} steps.": (
        "编码器的顶层在最上方。每格是 {width:g} 步的均值。"
    ),
    "The top of the encoder is on top. Each cell is a step.": "编码器的顶层在最上方。每格是一步。",
    "An upright line: from here on the block trains ({blocks}).": "竖线：该层从此处开始训练（{blocks}）。",
    "A triangle: a norm out of all proportion to those before it, {count} in all: {blocks}.": (
        "三角：与此前相比大得不成比例的范数，共 {count} 个：{blocks}。"
    ),
    "faint: {low}, strong: {high} (logarithmic)": "浅：{low}，深：{high}（对数刻度）",
    "{step} ({why})": "{step}（{why}）",
    "from step {step} to {to}, on with {factor:g} of the rate": (
        "从第 {step} 步回到第 {to} 步，以 {factor:g} 倍学习率继续"
    ),
    "Skipped without an update: step {steps}.": "跳过而未更新的步：{steps}。",
    "Gone back {steps}.": "回退：{steps}。",
    "A new stage, whose teacher is the encoder as it was then: from step {steps}.": (
        "新阶段，以当时的编码器为教师：从第 {steps} 步起。"
    ),
    "loss is not finite": "损失不是有限数",
    "Share of the tuned weights": "微调权重所占比例",
    "share of the tuned weights": "微调权重所占比例",
    "Dev scores by share of the tuned weights": "不同微调权重比例下的验证集得分",
    "Change of {name} on dev by the share of the tuned weights in the average with the base": (
        "验证集 {name} 的变化，按微调权重在与基础模型的平均中所占比例"
    ),
    "Weights between the base (0) and the end of training (1), scored on dev halves, less what the base scores "
    "there. Taken: {alpha:g}.": (
        "介于基础模型（0）与训练终点（1）之间的权重，在验证集的一半上评分，减去基础模型在那里的得分。采用：{alpha:g}。"
    ),
    "The general score may fall to the dashed line, {level}: half of what the gate allows.": (
        "通用得分可以降到虚线处，即 {level}：检验所允许的一半。"
    ),
    "least that is allowed": "允许的最低值",
    "Alignment and uniformity": "对齐度与均匀度",
    "Alignment against uniformity: the path over the evaluations": "对齐度与均匀度：各次评测走过的路径",
    "on dev, evaluation by evaluation": "验证集上，逐次评测",
    "on test, from base to tuned model": "测试集上，从基础模型到微调后",
    "uniformity (lower: spread more evenly)": "均匀度（越低分布越均匀）",
    "uniformity": "均匀度",
    "alignment": "对齐度",
    "Alignment is the squared distance of matching vectors; both are better the lower they are.": (
        "对齐度是匹配向量之间的平方距离；两者都是越低越好。"
    ),
    "Ringed is the tuned model.": "带圈的是微调后的模型。",
    "when": "何时",
    "dev, step": "验证集，步",
    # Map
    "The plane is that in which the base's vectors of these {count:,} texts spread most (PCA). The tuned "
    "model's vectors were turned onto the base's first (Procrustes): turning changes no neighbor, so what "
    "still lies elsewhere has moved against the others.": (
        "这个平面是基础模型对这 {count:,} 个文本的向量散布最大的平面（主成分分析）。"
        "微调后模型的向量先被旋转到与基础模型"
        "对齐（Procrustes）：旋转不改变任何近邻，因此位置仍然不同的文本，是相对于其他文本移动了。"
    ),
    "A plane cannot show it all: it holds {explained:.0%} of the spread before, and of the {k} nearest of a "
    "text {before:.0%} are among the {k} nearest on the map before, {after:.0%} after; chance alone would "
    "keep {chance:.0%}.": (
        "平面无法显示全部：它保留了微调前 {explained:.0%} 的散布；"
        "一个文本的 {k} 个最近邻中，在地图上仍属 {k} 个最近邻的，"
        "微调前为 {before:.0%}，微调后为 {after:.0%}；纯属偶然则为 {chance:.0%}。"
    ),
    "Drag over a region of one side, or click a place: its texts are marked on both sides, and the list of "
    "queries below shows those among them, and those that ask for them. With keys: arrows move the square, "
    "+ and - change its size, Enter marks, Escape ends it.": (
        "在一侧拖出一个区域，或点击一处：其中的文本会在两侧标出，"
        "下方的查询列表只显示其中的查询，以及寻找其中文档的查询。"
        "用键盘：方向键移动方框，+ 和 - 改变大小，回车标记，Esc 结束。"
    ),
    "Before: the base": "微调前：基础模型",
    "After: the tuned model": "微调后的模型",
    "Map before: base": "微调前的地图：基础模型",
    "Map after: tuned model": "微调后的地图：微调后的模型",
    "queries": "查询",
    "documents": "文档",
    "a number: one of those that moved most, below": "数字：移动最大的文本之一，见下表",
    "{{0}} texts are marked.": "已标出 {{0}} 个文本。",
    "End the marking": "结束标记",
    "Places go from 0 to 1,000. “Moved by” is the distance of a text's two vectors in all dimensions, once the "
    "space is turned back; vectors have length 1.": (
        "坐标从 0 到 1,000。“移动”是把空间旋转回来之后，文本的两个向量在全部维度上的距离；向量长度为 1。"
    ),
    "What moved most": "移动最大的文本",
    "All points of the map": "地图上的全部点",
    "on the map": "图中编号",
    "text": "文本",
    "place before": "微调前位置",
    "place after": "微调后位置",
    "moved by": "移动",
    "query {number}": "查询 {number}",
    "document {number}": "文档 {number}",
    # Wins and losses
    "Rank of the first relevant document": "首个相关文档的名次",
    "Test queries by the rank of their first relevant document, before and after": (
        "按首个相关文档的名次统计的测试查询，微调前后"
    ),
    "Test queries by rank": "按名次统计的测试查询",
    "test queries": "测试查询",
    "rank": "名次",
    "beyond": "更后",
    "Of {total:,} test queries, {better:,} find their first relevant document at a better rank, {worse:,} at a worse "
    "one, {same:,} at the same.": (
        "{total:,} 个测试查询中，{better:,} 个的首个相关文档名次变好，{worse:,} 个变差，{same:,} 个不变。"
    ),
    "A group's change is the mean over its queries, whose number is in brackets. Of twenty groups in which nothing "
    "changed, one looks like a gain or a loss by chance.": (
        "一组的变化是组内查询的均值，括号内是查询数。在毫无变化的二十个组里，也会有一个因偶然而看似有得或有失。"
    ),
    "Texts were left out. Numbers are lines of": "文本已略去。数字是该文件中的行号：",
    "Words": "词语",
    "Outcome": "结果",
    "Group": "分组",
    "Order": "顺序",
    "all": "全部",
    "won": "变好",
    "lost": "变差",
    "same": "不变",
    "gained most first": "进步最大在前",
    "lost most first": "退步最大在前",
    "as in the file": "按文件顺序",
    "Show all": "全部显示",
    "{{0}} of {{1}} queries are shown.": "显示 {{1}} 个查询中的 {{0}} 个。",
    "Largest wins: {count}": "进步最大：{count}",
    "Largest losses: {count}": "退步最大：{count}",
    "All other queries": "其余全部查询",
    "All other queries: {count:,}": "其余全部查询：{count:,}",
    "{count:,} queries that moved less are in": "另有 {count:,} 个变化较小的查询，见",
    "relevant": "相关",
    "and {count} more relevant": "另有 {count} 个相关文档",
    "test query": "测试查询",
    "test query {line}": "测试查询 {line}",
    "new to training:": "训练中未见：",
    "Top 3 before": "微调前的前三名",
    "Top 3 after": "微调后的前三名",
    "rank before": "微调前名次",
    "rank after": "微调后名次",
    "rank by BM25": "BM25 名次",
    "nDCG@10 before": "微调前 nDCG@10",
    "nDCG@10 after": "微调后 nDCG@10",
    "Change of nDCG@10 with its 95% interval: {name}": "nDCG@10 的变化及其 95% 区间：{name}",
    "Length of the query": "查询的长度",
    "1 to 3 words": "1 到 3 个词",
    "4 to 7 words": "4 到 7 个词",
    "8 to 15 words": "8 到 15 个词",
    "16 words and more": "16 个词及以上",
    "Writing system of the query": "查询的文字",
    "several writing systems": "多种文字",
    "no letters": "没有字母",
    "Words that training saw": "训练见过的词",
    "all words were seen": "词都见过",
    "some words are new": "有未见过的词",
    "Column {name}": "列 {name}",
    "value {number}": "值 {number}",
    "others": "其他",
    "latin": "拉丁文",
    "greek": "希腊文",
    "cyrillic": "西里尔文",
    "armenian": "亚美尼亚文",
    "hebrew": "希伯来文",
    "arabic": "阿拉伯文",
    "devanagari": "天城文",
    "bengali": "孟加拉文",
    "gurmukhi": "古木基文",
    "gujarati": "古吉拉特文",
    "tamil": "泰米尔文",
    "telugu": "泰卢固文",
    "kannada": "卡纳达文",
    "malayalam": "马拉雅拉姆文",
    "thai": "泰文",
    "georgian": "格鲁吉亚文",
    "hangul": "谚文",
    "ethiopic": "埃塞俄比亚文",
    "han": "汉字",
    "kana": "假名",
    "other": "其他",
    # Vocabulary
    "Drift of the vocabulary": "词表的漂移",
    "How far tokens moved, relative to their length, by how often training read them": (
        "词元移动的距离（相对于其长度），按训练读到的次数"
    ),
    "occurrences in the texts that training read": "在训练读到的文本中的出现次数",
    "{moved:,} of {rows:,} rows of the embedding table moved. Drift is the length of the change over the length of "
    "the row before; occurrences are counted over the different texts of training, prompts included.": (
        "嵌入表的 {rows:,} 行中有 {moved:,} 行移动了。"
        "漂移是变化量的长度与该行原长度之比；出现次数按训练中互不相同的文本"
        "统计，包括提示词。"
    ),
    "The embedding table did not train: none of its {rows:,} rows moved.": (
        "嵌入表没有参与训练：{rows:,} 行都没有移动。"
    ),
    "Tokens that moved most": "移动最大的词元",
    "token": "词元",
    "tokens": "词元",
    "occurrences": "出现次数",
    "101-": "101 以上",
    "drift": "漂移",
    "mean": "均值",
    "mean drift": "平均漂移",
    "90th percentile": "第 90 百分位",
    # Data
    "The training file": "训练文件",
    "file": "文件",
    "format": "格式",
    "kind": "种类",
    "rows kept": "保留的行",
    "rows set aside": "搁置的行",
    "distinct queries": "不同的查询",
    "distinct documents": "不同的文档",
    "pairs of near-duplicate texts": "近似重复的文本对",
    "rows left out because the test would know them": "因测试集会知道而略去的行",
    "classes": "类别",
    "as even as so many classes of equal size": "均匀程度相当于这么多个同样大小的类别",
    "columns taken": "采用的列",
    "columns not used": "未使用的列",
    "notes": "备注",
    "{column} as {role}": "{column} 作为 {role}",
    "What was used for what": "各部分的用途",
    "part": "部分",
    "rows or queries": "行或查询",
    "train": "训练",
    "source": "来源",
    "replay": "重放",
    "Queries that train": "用于训练的查询",
    "made of the texts (data/synthetic.jsonl)": "由文本生成（data/synthetic.jsonl）",
    "kept": "保留",
    "the first": "第一个",
    "Weights of the source": "来源数据的权重",
    "weighed by": "加权方式",
    "rows (data/source_weights.jsonl)": "行（data/source_weights.jsonl）",
    "as good as so many equal ones": "相当于这么多个等权的行",
    "different queries of TRAIN": "TRAIN 中不同的查询",
    "most alike to TRAIN": "与 TRAIN 最相似",
    "least alike to TRAIN": "与 TRAIN 最不相似",
    "Mined negatives": "挖掘出的负例",
    "found by": "挖掘方式",
    "negatives": "负例",
    "among so many documents": "在这么多文档中",
    "rows without any": "没有负例的行",
    "rows for which other documents score as right ones do": "有其他文档与正确文档得分相当的行",
    "these documents in all (data/false_negatives.jsonl)": "此类文档总数（data/false_negatives.jsonl）",
    "seconds": "秒",
    "New words": "新词",
    "words that became tokens (data/vocabulary.json)": "成为词元的词（data/vocabulary.json）",
    "the first of them": "其中最前的",
    "tokens a text before": "此前每个文本的词元数",
    "tokens a text with them": "加入后每个文本的词元数",
    "cosine with the base, mean": "与基础模型的余弦，取均值",
    "cosine with the base, distilled": "与基础模型的余弦，蒸馏后",
    "Adaptation to texts": "对文本的适应",
    "kind (data/adaptation.json)": "种类（data/adaptation.json）",
    "loss, first steps": "损失，最初几步",
    "loss, last steps": "损失，最后几步",
    "Lengths of texts": "文本长度",
    "role": "角色",
    "texts": "文本数",
    "characters": "字符",
    "cut off": "被截断",
    "query": "查询",
    "positive": "正例",
    "negative": "负例",
    "document": "文档",
    "Writing systems (share of letters)": "文字（占字母的比例）",
    "shares": "比例",
    "Scores of the pairs": "文本对的分数",
    "Problems that were found": "发现的问题",
    "rows": "行数",
    "worst lines": "最严重的行",
    "what would help (acclimate check)": "补救办法（acclimate check）",
    "Classes, {shown} of {count}": "类别，{count} 个中的 {shown} 个",
    "class": "类别",
    "Rows that were set aside: {count:,}": "搁置的行：{count:,}",
    "Rows that were set aside: {count:,}, the first {shown}": "搁置的行：{count:,}，前 {shown} 行",
    "All of them are in": "全部内容见",
    "line": "行",
    "column": "列",
    "reason": "原因",
    "raw": "原文",
    "the same row again": "同一行再次出现",
    "--fix keeps the first": "--fix 保留第一个",
    "the same query with other positives": "同一查询对应不同的正例",
    "nothing to do where all are right: none is taken for wrong then": "若都正确则无需处理：都不会被当作错误",
    "the same text with another label or score": "同一文本有不同的标签或分数",
    "keep the right one; --fix keeps none": "保留正确的一个；--fix 一个也不保留",
    "nearly the same text as in an unrelated row": "与无关的行文本几乎相同",
    "no split parts them; leave one out where they say no more than the other": (
        "划分时不会分开它们；若内容无异，可去掉一个"
    ),
    "query and positive are the same text": "查询与正例是同一文本",
    "--fix takes it out": "--fix 会去掉它",
    "a text is both right and wrong for one query": "同一文本对某个查询既是正例又是负例",
    "replacement characters from a wrong encoding": "错误编码留下的替换字符",
    "write them again from where they came": "从原始来源重新写出",
    "no other text has the label": "没有其他文本有此标签",
    "add texts of the label, or leave it out: nothing says what it goes with": (
        "补充该标签的文本，或去掉它：无从得知它与什么相配"
    ),
    "{role} longer than {most} tokens, the rest is not read": "{role}超过 {most} 个词元，其余部分不会被读取",
    "split the texts, or put what matters first, or raise --max-length if the base reads more": (
        "拆分文本，或把要点放在最前，或在基础模型能读更长时调高 --max-length"
    ),
    # Reproduce
    "Environment": "环境",
    "The command above, with the same data, seed and versions, gives the same numbers. Every setting as it was "
    "decided:": ("用上面的命令以及相同的数据、种子和版本，会得到相同的数字。每项设置的最终取值："),
    "seed": "随机种子",
    "platform": "平台",
    "cores": "核心数",
    "threads": "线程数",
    "memory": "内存",
}
