"use strict";
// Draws the attempts from the data in the page. Text enters the page only as text nodes: nothing of it is markup.
(() => {
  const attempts = JSON.parse(document.getElementById("data").textContent);
  const WORDS = { aligned: "aligned", silent: "silently deviated", visible: "visibly failed", fault: "fault", unjudged: "unjudged" };
  const STATUS = {
    ok: "", tool_error: "tool error", protocol_error: "protocol error", not_executed: "not executed",
    failed_as_text: "failed, said as ordinary text",
  };
  const chosen = { outcome: "", label: "", words: [] };
  const list = document.getElementById("list");

  // make("p", {class: "x"}, "text", node, ...)
  function make(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
    for (const child of children) if (child !== null && child !== undefined && child !== "") node.append(child);
    return node;
  }
  const plain = (name) => name.replaceAll("_", " ");
  const pre = (text) => make("pre", { tabindex: "0" }, text);
  const clip = (text) => (text.length > 200 ? `${text.slice(0, 200)} …` : text);

  // text with the lines of these numbers shaded
  function shaded(text, numbers) {
    const node = pre("");
    text.split("\n").forEach((line, number) => {
      if (number) node.append("\n");
      node.append(numbers.includes(number) ? make("mark", {}, line || " ") : line);
    });
    return node;
  }

  function args(pairs, off) {
    const rows = make("dl", { class: "args" });
    for (const [name, value, critical] of pairs) {
      rows.append(
        make("dt", critical ? { class: "critical", title: `intent-critical, compared as ${critical}` } : {}, name),
        make("dd", {}, make("span", off.has(name) ? { class: "off" } : {}, value === "" ? "“”" : value)),
      );
    }
    return rows;
  }

  // names of the arguments that labels find fault with, for a call made or a reference call
  function off(item, key, index) {
    const names = item.labels.filter((l) => l[key] === index && l.argument).map((l) => l.argument.split("/")[1]);
    return new Set(names.map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~")));
  }

  function referenceCard(item, index) {
    const call = item.reference[index];
    const deviates = item.labels.some((l) => l.reference === index) ? " deviates" : "";
    return make("div", { class: `call reference${deviates}`, "data-side": "reference" },
      make("div", { class: "tool" }, `${index + 1}. ${call.tool}`), args(call.arguments, off(item, "reference", index)));
  }

  function madeCard(item, index) {
    const call = item.calls[index];
    const mine = item.labels.filter((l) => l.call === index);
    const bad = call.status === "ok" || call.status === "not_executed" ? "" : " fails";
    const card = make("div", { class: `call${bad || (mine.length ? " deviates" : "")}`, "data-side": "made" });
    const words = [...new Set([STATUS[call.status], ...mine.map((l) => plain(l.name))])].filter(Boolean).join(" · ");
    card.append(make("div", { class: "tool" }, `${index + 1}. ${call.tool} `, make("span", { class: `status${bad ? " bad" : ""}` }, words)));
    card.append(call.raw ? pre(call.raw) : args(call.arguments, off(item, "call", index)));
    if (call.invalid) card.append(make("p", { class: "small" }, `contract: ${call.invalid}`));
    if (call.changed.length) card.append(make("p", { class: "small path" }, `changed ${call.changed.join(", ")}`));
    if (call.result) {
      const size = call.result.length;
      card.append(make("details", {}, make("summary", {}, `result (${size} characters)`), pre(call.result)));
    }
    return card;
  }

  // reference calls and made calls side by side: pairs in one row, what has no partner alone in its row
  function callGrid(item) {
    const grid = make("div", { class: "calls" },
      make("div", { class: "head" }, "meant (reference)"), make("div", { class: "head" }, "made (agent)"));
    let next = 0;
    const missing = (until) => {
      for (; next < until; next++) {
        const partner = item.reference[next].partner;
        if (partner !== null) continue;
        const needed = item.labels.some((l) => l.reference === next);
        grid.append(referenceCard(item, next), make("div", { class: "call none" }, needed ? "no call stands for this one" : "not made, nor needed"));
      }
    };
    item.calls.forEach((call, index) => {
      if (item.said[index]) grid.append(make("div", { class: "said" }, `“${item.said[index]}”`));
      if (call.partner !== null) missing(call.partner);
      grid.append(call.partner === null
        ? make("div", { class: "call none" }, "not in the reference") : referenceCard(item, call.partner), madeCard(item, index));
    });
    missing(item.reference.length);
    const last = item.said[item.calls.length];
    if (last) grid.append(make("div", { class: "said" }, `“${last}”`));
    return grid;
  }

  function labelRow(label) {
    const where = [
      label.call === null ? "" : `call ${label.call + 1}`, label.reference === null ? "" : `reference ${label.reference + 1}`, label.argument,
    ].filter(Boolean).join(", ");
    const row = make("li", { class: label.family }, make("b", {}, plain(label.name)), where ? ` (${where})` : "");
    if (label.expected) row.append(" expected ", make("code", {}, clip(label.expected)));
    if (label.found) row.append(" found ", make("code", {}, clip(label.found)));
    if (label.note) row.append(` · ${label.note}`);
    return row;
  }

  function factTable(item) {
    const body = make("tbody");
    for (const fact of item.asked) {
      const good = fact.stated && fact.supported;
      const words = good ? "stated and supported" : fact.stated ? "stated, no result supports it"
        : fact.beside && fact.beside !== fact.found ? `stated beside the competing ${fact.beside}` : "not stated";
      body.append(make("tr", {}, make("td", {}, make("code", {}, fact.value), make("span", { class: "small" }, fact.about ? `  about ${fact.about}` : "")),
        make("td", {}, fact.found ? make("code", {}, fact.found) : "–"), make("td", { class: `mark ${good ? "good" : "bad"}` }, words)));
    }
    return make("table", {}, make("thead", {}, make("tr", {}, make("th", {}, "fact asked for"), make("th", {}, "found"), make("th", {}, ""))), body);
  }

  function stateTable(rows) {
    const body = make("tbody");
    const words = { same: "as meant", free: "free", missing: "not done", unasked: "not asked for", different: "different" };
    const kinds = { same: "good", free: "neutral", missing: "bad", unasked: "bad", different: "bad" };
    for (const row of rows) {
      const meant = row.wanted === null ? "unchanged" : shaded(row.wanted, row.odd[0]);
      const found = row.found === null ? "unchanged" : shaded(row.found, row.odd[1]);
      body.append(make("tr", {}, make("td", { class: "path" }, row.path), make("td", { class: `mark ${kinds[row.mark]}` }, words[row.mark]),
        make("td", { "data-name": "before" }, pre(row.before)),
        make("td", { "data-name": "meant" }, meant), make("td", { "data-name": "found" }, found)));
    }
    const names = ["what", "", "before", "meant", "found"].map((name) => make("th", {}, name));
    return make("div", { class: "scroll" }, make("table", { class: "state" }, make("thead", {}, make("tr", {}, ...names)), body));
  }

  function fill(item, node) {
    const inside = make("div", { class: "inside" });
    const section = (title, ...content) => inside.append(make("h3", {}, title), ...content);
    section("Verdict", make("div", { class: "why" },
      make("b", {}, "Acc_task"), make("span", {}, item.why_task), make("b", {}, "Acc_intent"), make("span", {}, item.why_intent)));
    if (item.labels.length) inside.append(make("ul", { class: "labels" }, ...item.labels.map(labelRow)));
    if (item.reference.length || item.calls.length) {
      section("Calls", callGrid(item));
      if (item.reference.some((c) => c.arguments.some((a) => a[2]))) {
        inside.append(make("p", { class: "key" }, "● intent-critical parameter; arguments at odds with the intent are shaded"));
      }
    } else if (item.said["0"]) section("Calls", make("div", { class: "said" }, item.said["0"]));
    section("Final answer", make("p", { class: "final" }, item.answer.trim() || "(empty)"));
    if (item.asked.length) inside.append(make("div", { class: "scroll" }, factTable(item)));
    if (item.state === null) section("State", make("p", { class: "small" }, "not captured"));
    else if (item.state.length) section("State, against the reference's", stateTable(item.state));
    else section("State", make("p", { class: "small" }, "nothing changed, and nothing should have"));
    const cost = item.cost;
    const rows = [...item.facts, ["used", `${cost.turns} turns, ${cost.calls} calls, ${cost.tokens === null ? "tokens not counted" : `${cost.tokens} tokens`}, ${cost.seconds.toFixed(1)} s`]];
    section("Circumstances", make("dl", {}, ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])));
    if (item.system) inside.append(make("details", { class: "system" }, make("summary", {}, "system prompt"), pre(item.system)));
    node.append(inside);
    // a long text begins where it departs
    for (const box of inside.querySelectorAll("pre")) {
      const first = box.querySelector("mark");
      if (first) box.scrollTop = first.offsetTop - box.offsetTop - 40;
    }
  }

  function attemptNode(item, index) {
    const names = [...new Set(item.labels.map((l) => l.name))];
    const tags = names.map((name) => make("span", { class: `tag ${item.labels.find((l) => l.name === name).family}` }, plain(name)));
    const node = make("details", { class: "attempt", id: `a${index}` }, make("summary", {},
      make("span", { class: `verdict ${item.outcome}` }, WORDS[item.outcome]), make("span", { class: "ask" }, item.request),
      make("span", { class: "name" }, make("span", {}, item.id + (item.attempt ? ` #${item.attempt}` : "")), ...tags)));
    // drawn when first opened: a page of a thousand attempts opens at once
    node.addEventListener("toggle", () => { if (node.open && node.childElementCount === 1) fill(item, node); });
    return node;
  }

  const texts = attempts.map((item) => [item.id, item.request, item.answer, item.cluster, item.kind,
    ...item.calls.map((c) => `${c.tool} ${c.raw} ${c.arguments.flat().join(" ")}`), ...item.labels.map((l) => `${l.name} ${plain(l.name)}`)].join("\n").toLowerCase());
  const nodes = attempts.map(attemptNode);
  list.append(...nodes);

  function show() {
    let seen = 0;
    attempts.forEach((item, index) => {
      const fits = (!chosen.outcome || item.outcome === chosen.outcome)
        && (!chosen.label || item.labels.some((l) => l.name === chosen.label)) && chosen.words.every((word) => texts[index].includes(word));
      nodes[index].hidden = !fits;
      seen += fits;
    });
    document.getElementById("shown").textContent = seen === attempts.length ? `${seen} attempts` : `${seen} of ${attempts.length} attempts`;
  }

  function press(group, button, key, value) {
    chosen[key] = chosen[key] === value ? "" : value;
    for (const other of group.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button && chosen[key] === value));
    show();
  }

  const outcomes = document.getElementById("outcomes");
  for (const [outcome, words] of Object.entries(WORDS)) {
    const n = attempts.filter((item) => item.outcome === outcome).length;
    if (!n) continue;
    const button = make("button", { type: "button", class: "chip", "aria-pressed": "false" }, `${words} `, make("b", {}, String(n)));
    button.addEventListener("click", () => press(outcomes, button, "outcome", outcome));
    outcomes.append(button);
  }
  const labels = document.getElementById("labels");
  for (const button of labels ? labels.querySelectorAll("button") : []) {
    button.addEventListener("click", () => press(labels, button, "label", button.dataset.label));
  }
  const search = document.getElementById("search");
  search.addEventListener("input", () => { chosen.words = search.value.toLowerCase().split(/\s+/).filter(Boolean); show(); });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === search) { if (event.key === "Escape") search.blur(); return; }
    if (event.key === "/") { event.preventDefault(); search.focus(); }
    if (event.key !== "j" && event.key !== "k") return;
    const visible = nodes.filter((node) => !node.hidden);
    const here = visible.findIndex((node) => node.contains(document.activeElement));
    const next = visible[Math.min(visible.length - 1, Math.max(0, here + (event.key === "j" ? 1 : -1)))];
    if (next) { next.firstElementChild.focus(); next.scrollIntoView({ block: "nearest" }); }
  });

  show();
  // a link to one attempt opens it: page.html#a3
  const wanted = nodes.find((node) => `#${node.id}` === location.hash);
  if (wanted) { wanted.open = true; wanted.scrollIntoView(); }
})();
