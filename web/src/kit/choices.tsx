/** Ways to pick one of several: a list that drops down, and a row of segments; and tabs, which pick a view. */
import type { ReactNode } from "react";
import { Button as AriaButton, Label, ListBox, ListBoxItem, Popover, Select as AriaSelect, SelectValue, Tab, TabList, TabPanel, Tabs as AriaTabs } from "react-aria-components";
import { Icon } from "./Icon";

export interface Option {
  id: string;
  label: string;
  /** Shown to the right in muted text: a count, a unit. */
  detail?: string;
}

interface SelectProps {
  label: string;
  options: readonly Option[];
  value: string;
  onChange: (id: string) => void;
  /** Shows the label in front of the value instead of above it. */
  inline?: boolean;
  placeholder?: string;
}

export function Select({ label, options, value, onChange, inline = false, placeholder }: SelectProps) {
  return (
    <AriaSelect className="select" data-inline={inline || undefined} data-set={inline && value !== "" ? "" : undefined} value={value} onChange={(key) => onChange(String(key ?? ""))} placeholder={placeholder} aria-label={inline ? label : undefined}>
      {!inline && <Label className="field-label">{label}</Label>}
      <AriaButton className="select-button">
        {inline && <span className="muted">{label}</span>}
        <SelectValue className="select-value">{({ selectedText, defaultChildren }) => selectedText || defaultChildren}</SelectValue>
        <Icon name="down" />
      </AriaButton>
      <Popover className="popover">
        <ListBox className="listbox" items={options}>
          {(option) => (
            <ListBoxItem id={option.id} textValue={option.label} className="option">
              <span className="ellipsis">{option.label}</span>
              {option.detail && <span className="muted num">{option.detail}</span>}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </AriaSelect>
  );
}

interface SegmentsProps<T extends string> {
  label: string;
  value: T;
  options: readonly { id: T; label: string }[];
  onChange: (id: T) => void;
}

/** Radio buttons drawn as one row: native inputs, so arrows and screen readers work as everywhere. */
export function Segments<T extends string>({ label, value, options, onChange }: SegmentsProps<T>) {
  return (
    <fieldset className="segments">
      <legend className="sr-only">{label}</legend>
      {options.map((option) => (
        <label key={option.id}>
          <input type="radio" name={label} checked={option.id === value} onChange={() => onChange(option.id)} />
          <span>{option.label}</span>
        </label>
      ))}
    </fieldset>
  );
}

export interface TabItem {
  id: string;
  label: ReactNode;
  content: ReactNode;
}

export function Tabs({ label, items, selected, onSelect }: { label: string; items: readonly TabItem[]; selected: string; onSelect: (id: string) => void }) {
  const known = items.some((item) => item.id === selected) ? selected : (items[0]?.id ?? "");
  return (
    <AriaTabs className="tabs" selectedKey={known} onSelectionChange={(key) => onSelect(String(key))}>
      <TabList className="tab-list" aria-label={label}>
        {items.map((item) => (
          <Tab key={item.id} id={item.id} className="tab">
            {item.label}
          </Tab>
        ))}
      </TabList>
      {items.map((item) => (
        <TabPanel key={item.id} id={item.id} className="tab-panel">
          {item.content}
        </TabPanel>
      ))}
    </AriaTabs>
  );
}
