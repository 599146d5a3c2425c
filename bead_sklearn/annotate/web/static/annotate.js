// Keys, the slider and the response time. Without this script every page still works.
"use strict";
(function () {
  const form = document.getElementById("form");
  if (!form) return;
  const begun = performance.now();
  const typing = (element) =>
    element.matches("textarea, select, input[type=text], input[type=number]");

  const choose = (input) => {
    if (input.type === "checkbox") {
      input.checked = !input.checked;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    } else {
      input.checked = true;
    }
    input.focus();
  };

  document.addEventListener("keydown", (event) => {
    const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code);
    if (digit && event.altKey && !event.ctrlKey && !event.metaKey) {
      const input = form.querySelector(`[data-confidence="${digit[1]}"]`);
      if (input) {
        event.preventDefault();
        choose(input);
      }
      return;
    }
    if (event.key === "Enter" && !event.isComposing) {
      const target = event.target;
      if (target.matches("a, button, summary, select")) return;
      if (target.matches("textarea") && !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      form.requestSubmit();
      return;
    }
    if (event.altKey || event.ctrlKey || event.metaKey || typing(event.target)) return;
    if (/^[0-9]$/.test(event.key)) {
      const input = form.querySelector(`[data-key="${event.key}"]`);
      if (input) {
        event.preventDefault();
        choose(input);
      }
    } else if (event.key === "b") {
      const back = document.getElementById("back") || document.getElementById("leave");
      if (back) back.click();
    }
  });

  // Ticking an option and "none of these" exclude each other.
  const none = document.getElementById("none");
  if (none) {
    const others = Array.from(form.querySelectorAll("input[type=checkbox]")).filter(
      (box) => box !== none);
    none.addEventListener("change", () => {
      if (none.checked) others.forEach((box) => { box.checked = false; });
    });
    others.forEach((box) => box.addEventListener("change", () => {
      if (box.checked) none.checked = false;
    }));
  }

  const range = document.getElementById("range");
  const number = document.getElementById("number");
  if (range && number) {
    const touch = () => {
      range.classList.remove("untouched");
      number.value = String(Number(Number(range.value).toPrecision(6)));
    };
    range.addEventListener("input", touch);
    range.addEventListener("pointerup", touch);
    number.addEventListener("input", () => {
      if (number.value !== "") {
        range.classList.remove("untouched");
        range.value = number.value;
      }
    });
  }

  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) {
      event.preventDefault();
      return;
    }
    sent = true;
    document.getElementById("elapsed").value = String(Math.round(performance.now() - begun));
    document.getElementById("submit").disabled = true;
  });
  // Coming back through the browser's history shows the page as it was left.
  window.addEventListener("pageshow", () => {
    sent = false;
    document.getElementById("submit").disabled = false;
  });
})();
