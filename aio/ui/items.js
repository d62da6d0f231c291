// The rows of a list field: each an item with one control for each of its keys. Run by gradio as js_on_load of aio.ui.items.Items, with
// `element`, `props`, `upload` and `watch`; what a visitor types is set as text, never as HTML.
const ACCEPT = {IMAGE: "image/*", AUDIO: "audio/*", VIDEO: "video/*"};
const list = element.querySelector(".aio-items");
const id = (row, key) => `${props.prefix}-${row}-${key}`;
let rows = read();

function read() {
  const given = Array.isArray(props.value) ? props.value.map((item) => ({...item})) : [];
  while (given.length < Math.max(props.least, 1)) given.push({});
  return given;
}

function give() {
  props.value = rows.map((item) => ({...item}));
}

function make(tag, look, ...inside) {
  const made = Object.assign(document.createElement(tag), look);
  made.append(...inside);
  return made;
}

function control(item, row, field) {
  const now = item[field.key] ?? field.default;
  const look = {id: id(row, field.key), title: field.tooltip};
  const take = (value) => {
    if (value === "" || value === undefined) delete item[field.key];
    else item[field.key] = value;
    give();
  };
  if (field.type in ACCEPT) return file(item, look, field, take);
  if (field.type === "BOOLEAN") {
    return make("input", {...look, type: "checkbox", checked: String(now) === "true", onchange: (event) => take(event.target.checked)});
  }
  if (field.type === "COMBO") {
    const options = field.options.map((option) => make("option", {value: option, textContent: option, selected: option === now}));
    return make("select", {...look, onchange: (event) => take(event.target.value)}, ...options);
  }
  const number = field.type === "INT" || field.type === "FLOAT";
  const kind = number ? {type: "number", min: field.min ?? "", max: field.max ?? "", step: field.step ?? "any", inputMode: "decimal"} : {type: "text"};
  return make("input", {...look, ...kind, value: now ?? "", placeholder: field.placeholder, onchange: (event) => take(event.target.value)});
}

function file(item, look, field, take) {
  const now = item[field.key];
  const said = make("span", {className: "aio-file", textContent: now ? now.orig_name ?? String(now.path).split("/").pop() : `Add ${field.title.toLowerCase()}`});
  const pick = make("input", {...look, type: "file", accept: ACCEPT[field.type], onchange: async (event) => {
    const chosen = event.target.files[0];
    if (!chosen) return;
    said.textContent = `Uploading ${chosen.name} …`;
    try {
      const {path, url} = await upload(chosen);
      take({path, url, orig_name: chosen.name});
      draw();
    } catch (error) {
      said.textContent = `${chosen.name} could not be uploaded; try again`;
    }
  }});
  const shown = now && field.type === "IMAGE"
    ? [make("img", {src: now.url ?? `gradio_api/file=${now.path}`, alt: now.orig_name ?? field.title})] : [];
  return make("label", {className: "aio-drop"}, pick, ...shown, said);
}

function draw() {
  list.replaceChildren(
    make("div", {className: "aio-items-title", textContent: props.title}),
    ...(props.tooltip ? [make("div", {className: "aio-items-info", textContent: props.tooltip})] : []),
    ...rows.map((item, row) => make("fieldset", {className: "aio-item"},
      make("legend", {textContent: String(row + 1)}),
      ...props.fields.map((field) => make("div", {className: `aio-key aio-${field.type.toLowerCase()}`},
        make("label", {htmlFor: id(row, field.key), textContent: field.title}), control(item, row, field))),
      ...(rows.length > Math.max(props.least, 1) ? [make("button", {type: "button", className: "aio-remove", textContent: "Remove",
        ariaLabel: `Remove ${row + 1}`, onclick: () => { rows.splice(row, 1); give(); draw(); }})] : []))),
    ...(props.most && rows.length >= props.most ? [] : [make("button", {type: "button", className: "aio-add", textContent: "Add",
      onclick: () => { rows.push({}); give(); draw(); }})]));
}

watch("value", () => { rows = read(); draw(); });
draw();
