"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
function make(tag, parent, text) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}
// What a verdict rests on, on demand.
$("all").addEventListener("click", event => {
  const button = event.target.closest("button");
  if (!button) return;
  const row = button.closest(".row"), old = row.querySelector(".more");
  const was = old && old.dataset.of;
  if (old) old.remove();
  if (was === button.dataset.at) return;
  const [facts, log] = data.cases[button.dataset.at], more = make("div", row);
  more.className = "more";
  more.dataset.of = button.dataset.at;
  const list = make("dl", more);
  facts.forEach(([name, value]) => { make("dt", list, name); make("dd", list, data.texts[value]); });
  make("pre", more, log);
});
function filter() {
  const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const theme of document.querySelectorAll(".theme")) {
    let any = 0;
    for (const row of theme.querySelectorAll(".row")) {
      const text = (row.dataset.words + " " + row.textContent).toLowerCase();
      const verdicts = new Set([...row.querySelectorAll(".verdicts > *")].map(node => node.textContent));
      row.hidden = !words.every(word => text.includes(word)) || ($("differ").checked && verdicts.size < 2);
      any += !row.hidden;
    }
    theme.hidden = !any;
    if (words.length || $("differ").checked) theme.open = any > 0;
    shown += any;
  }
  $("count").textContent = shown + " cases";
}
$("form").addEventListener("input", filter);
$("form").addEventListener("submit", event => event.preventDefault());
filter();
