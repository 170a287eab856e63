// One word for one thing, in two languages. {0}, {1} ... are replaced by what is said.

const WORDS = {
  en: {
    title: "{0} · Acclimate explorer", brand: "Acclimate explorer", skip: "Skip to the query", language: "Language",
    query: "Query", count: "Neighbors", search: "Search", share: "Share of the tuned weights",
    shareBase: "0: the base", shareTuned: "1: the tuned model",
    hint: "Type a query, click a document on the map, or take one of the questions below.",
    before: "Before", after: "After", map: "Map of the documents", view: "Side of the map",
    mapHelp: "Click a document, or walk with the arrow keys and press Enter, to see its neighbors. Both sides are seen in one plane, each from its own mean. “All documents as a table” below says the same in words.",
    rightAnswers: "Right answers", questions: "Questions with known answers", filter: "Words", origin: "From",
    ofTest: "test", ofTrain: "training", order: "Order", asInFile: "as in the file", gained: "gained most first",
    lostMost: "lost most first", documents: "All documents as a table",
    documentsNote: "Those whose vectors changed most stand first. The cosine is that of a document's vector before with its vector after; places go from 0 to 10,000.",
    training: "Training", about: "Method {0} on base {1}", aboutBase: "On base {0}", verdict: "verdict {0}",
    rejected: "The tuned model did not pass its gate: “after” is what lies in rejected/.",
    waiting: "The run is not finished. Its training is shown below; neighbors come when it is.",
    encoding: "Encoding documents: {0} of {1}", starting: "Reading the models and the documents", failed: "This run cannot be explored: {0}",
    unreachable: "The explorer does not answer: was it ended? Start it again and reload.",
    ready: "{0} documents", told: "{0} kept, {1} new, {2} lost.", first: "Best right answer: rank {0} before, {1} after.",
    noneKnown: "No right answer is known.", milliseconds: "{0} ms",
    askedDocument: "Neighbors of document {0}", askedTest: "a question of the test", askedTrain: "a question that trained",
    kept: "kept", new: "new", lost: "lost", right: "right answer", was: "was {0}", now: "now {0}", stays: "rank stays",
    up: "up {0}", down: "down {0}", neighbors: "Neighbors", neighborsOf: "Neighbors of document {0}",
    wrong: "Wrong", isWrong: "Document {0} is a wrong answer", isRight: "Document {0} is a right answer", rightOne: "Right",
    saved: "Noted in feedback.jsonl.", takenBack: "Taken back.", testFeedback: "This is a question of the test: what is noted of it trains nothing as long as the test has it.",
    more: "more", less: "less", total: "{0} in all", previous: "Previous", next: "Next", pages: "{0} to {1} of {2}",
    document: "document", label: "label", text: "text", rankBefore: "rank before", rankAfter: "rank after", cosine: "cosine",
    placeBefore: "place before", placeAfter: "place after", question: "question", none: "None.",
    others: "other documents", queryPoint: "the query", someShown: "{0} of {1} documents are shown.",
    lossChart: "Loss", devChart: "Dev: {0}", gradChart: "Gradient norm", rateChart: "Learning rate", step: "step",
    numbers: "The numbers", atStep: "{0} at step {1}", trainingSaid: "Step {0}, {1}%, {2} trained", left: "about {0} left",
    still: "no new step for {0}", skipped: "{0} steps skipped", seconds: "{0} s", minutes: "{0} min", hours: "{0} h {1} min",
  },
  zh: {
    title: "{0} · Acclimate 浏览器", brand: "Acclimate 浏览器", skip: "跳到查询", language: "语言",
    query: "查询", count: "近邻数", search: "搜索", share: "微调权重所占比例",
    shareBase: "0：基础模型", shareTuned: "1：微调后的模型",
    hint: "输入查询，点击地图上的文档，或选择下方的一个问题。",
    before: "微调前", after: "微调后", map: "文档地图", view: "地图的一侧",
    mapHelp: "点击一个文档，或用方向键移动并按回车，即可查看它的近邻。两侧画在同一平面上，各以自己的均值为中心。下方“全部文档（表格）”是同样内容的文字版。",
    rightAnswers: "正确答案", questions: "已知答案的问题", filter: "词语", origin: "来源",
    ofTest: "测试集", ofTrain: "训练集", order: "顺序", asInFile: "按文件顺序", gained: "进步最大在前",
    lostMost: "退步最大在前", documents: "全部文档（表格）",
    documentsNote: "向量变化最大的排在最前。余弦是文档微调前后两个向量之间的余弦；坐标范围为 0 到 10,000。",
    training: "训练过程", about: "方法 {0}，基础模型 {1}", aboutBase: "基础模型 {0}", verdict: "结论 {0}",
    rejected: "微调后的模型没有通过检验：“微调后”是 rejected/ 中的模型。",
    waiting: "运行尚未结束。下方显示训练过程；结束后即可查看近邻。",
    encoding: "正在编码文档：{0} / {1}", starting: "正在读取模型和文档", failed: "无法浏览这次运行：{0}",
    unreachable: "浏览器服务没有响应：它是否已结束？请重新启动并刷新页面。",
    ready: "{0} 个文档", told: "保留 {0}，新增 {1}，失去 {2}。", first: "最靠前的正确答案：微调前第 {0} 名，微调后第 {1} 名。",
    noneKnown: "没有已知的正确答案。", milliseconds: "{0} 毫秒",
    askedDocument: "文档 {0} 的近邻", askedTest: "测试集的问题", askedTrain: "训练过的问题",
    kept: "保留", new: "新增", lost: "失去", right: "正确答案", was: "原为 {0}", now: "现为 {0}", stays: "名次不变",
    up: "上升 {0}", down: "下降 {0}", neighbors: "近邻", neighborsOf: "文档 {0} 的近邻",
    wrong: "错误", isWrong: "文档 {0} 是错误答案", isRight: "文档 {0} 是正确答案", rightOne: "正确",
    saved: "已记入 feedback.jsonl。", takenBack: "已撤回。", testFeedback: "这是测试集的问题：只要它还在测试集中，记下的内容就不会用于训练。",
    more: "展开", less: "收起", total: "共 {0} 个", previous: "上一页", next: "下一页", pages: "第 {0} 到 {1}，共 {2}",
    document: "文档", label: "类别", text: "文本", rankBefore: "微调前名次", rankAfter: "微调后名次", cosine: "余弦",
    placeBefore: "微调前位置", placeAfter: "微调后位置", question: "问题", none: "没有。",
    others: "其他文档", queryPoint: "查询", someShown: "显示了 {1} 个文档中的 {0} 个。",
    lossChart: "损失", devChart: "验证集：{0}", gradChart: "梯度范数", rateChart: "学习率", step: "步",
    numbers: "数值", atStep: "第 {1} 步为 {0}", trainingSaid: "第 {0} 步，{1}%，已训练 {2}", left: "约剩 {0}",
    still: "已有 {0} 没有新的步", skipped: "跳过 {0} 步", seconds: "{0} 秒", minutes: "{0} 分钟", hours: "{0} 小时 {1} 分钟",
  },
};

let language = "en";

export const LANGUAGES = Object.keys(WORDS);

export function speak(name) {
  language = name;
  document.documentElement.lang = name;
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
}

export function word(name, ...said) {
  return WORDS[language][name].replace(/\{(\d)\}/g, (_, place) => String(said[place]));
}

export function count(number) {
  return number.toLocaleString(language);
}

export function duration(seconds) {
  if (seconds < 90) return word("seconds", Math.round(seconds));
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? word("minutes", minutes) : word("hours", Math.floor(minutes / 60), minutes % 60);
}
