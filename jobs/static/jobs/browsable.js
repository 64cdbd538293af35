// What REST framework's pages leave out for those who do not see them: a language, names of fields and buttons, and text
// that a keyboard can scroll.
document.documentElement.lang = "en";
document.querySelectorAll(".format-selection .dropdown-toggle").forEach((button) => {
  button.setAttribute("aria-label", "Format");
});
document.querySelectorAll(".form-group").forEach((group, number) => {
  const label = group.querySelector("label.control-label");
  const field = group.querySelector("input.form-control, select.form-control, textarea.form-control");
  if (label && field) {
    field.id = field.id || `syncf-field-${number}`;
    label.htmlFor = field.id;
  }
});
document.querySelectorAll("pre").forEach((text) => {
  text.tabIndex = 0;
});
