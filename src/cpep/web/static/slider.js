// A native slider with its label and value: Quasar's takes the focus on an element that has no role and no name.
export default {
  template: `
    <label class="slider">
      <span>{{ label }}</span><output>{{ modelValue }}{{ unit }}</output>
      <input type="range" :min="min" :max="max" :step="step" :aria-label="name" :value="modelValue"
        :aria-valuetext="modelValue + unit" @input="$emit('update:model-value', $event.target.valueAsNumber)">
    </label>`,
  props: { modelValue: Number, label: String, name: String, unit: String, min: Number, max: Number, step: Number },
  emits: ["update:model-value"],
};
