// From an answer of Prometheus to the data frames that Grafana's components draw.
//
// This is what a Grafana server does between its data source and a panel: names from legends, defaults and overrides of the
// field configuration, transformations of tables.
import {
  FieldConfigOptionsRegistry,
  FieldType,
  applyFieldOverrides,
  createDataFrame,
  getDisplayProcessor,
  getFieldDisplayName,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from '@grafana/data';
import { firstValueFrom } from 'rxjs';

const USED = [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer];
standardTransformersRegistry.setInit(() =>
  USED.map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation: () => Promise.resolve(transformation),
  }))
);

const numberOf = (text) => (text === 'NaN' ? null : Number(text));

function nameOf(metric, legendFormat) {
  if (legendFormat && legendFormat !== '__auto') {
    return legendFormat.replace(/{{\s*(\w+)\s*}}/g, (_, label) => metric[label] ?? '');
  }
  const labels = Object.entries(metric).filter(([label]) => label !== '__name__');
  return labels.map(([label, value]) => `${label}="${value}"`).join(', ') || 'Value';
}

function seriesFrames(answer) {
  return answer.result.map(({ metric, values, value }) => {
    const samples = values ?? [value];
    return createDataFrame({
      refId: answer.refId,
      fields: [
        { name: 'Time', type: FieldType.time, values: samples.map(([time]) => time * 1000) },
        {
          name: 'Value',
          type: FieldType.number,
          labels: metric,
          values: samples.map(([, text]) => numberOf(text)),
          config: { displayNameFromDS: nameOf(metric, answer.legendFormat) },
        },
      ],
    });
  });
}

function tableFrame(answer, several) {
  const labels = [...new Set(answer.result.flatMap(({ metric }) => Object.keys(metric)))].filter((l) => l !== '__name__');
  return createDataFrame({
    refId: answer.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: answer.result.map(({ value }) => value[0] * 1000) },
      ...labels.map((label) => ({
        name: label,
        type: FieldType.string,
        values: answer.result.map(({ metric }) => metric[label] ?? ''),
      })),
      {
        name: several ? `Value #${answer.refId}` : 'Value',
        type: FieldType.number,
        values: answer.result.map(({ value }) => numberOf(value[1])),
      },
    ],
  });
}

// A gap of more than this many steps is drawn as one: without it a line would bridge the time in which a series was gone.
const GAP_STEPS = 2;

function withGaps(frame, step) {
  const [time, value] = frame.fields;
  const times = [];
  const values = [];
  time.values.forEach((at, place) => {
    if (place > 0 && at - time.values[place - 1] > GAP_STEPS * step) {
      times.push(time.values[place - 1] + step);
      values.push(null);
    }
    times.push(at);
    values.push(value.values[place]);
  });
  return createDataFrame({ ...frame, fields: [{ ...time, values: times }, { ...value, values }] });
}

export async function framesOf(panel, answers, theme, stepMs) {
  let frames =
    panel.type === 'table'
      ? answers.filter(({ result }) => result.length > 0).map((answer) => tableFrame(answer, panel.targets.length > 1))
      : answers.flatMap(seriesFrames);
  if (panel.type === 'timeseries') {
    frames = frames.map((frame) => withGaps(frame, stepMs));
  }
  if (panel.transformations?.length && frames.length) {
    frames = await firstValueFrom(transformDataFrame(panel.transformations, frames));
  }
  const { defaults, overrides } = panel.fieldConfig;
  const usual = { mode: panel.type === 'timeseries' ? 'palette-classic' : 'thresholds' };
  for (const frame of frames) {
    for (const field of frame.fields) {
      const own = overrides.filter(({ matcher }) => matcher.options === getFieldDisplayName(field, frame, frames));
      const config = { color: usual, ...defaults, ...field.config, custom: { ...defaults.custom } };
      for (const { id, value } of own.flatMap(({ properties }) => properties)) {
        if (id.startsWith('custom.')) {
          config.custom[id.slice('custom.'.length)] = value;
        } else {
          config[id] = value;
        }
      }
      field.config = config;
    }
  }
  const drawn = applyFieldOverrides({
    data: frames,
    fieldConfig: { defaults: {}, overrides: [] },
    fieldConfigRegistry: new FieldConfigOptionsRegistry(),
    replaceVariables: (text) => text,
    theme,
    timeZone: 'utc',
  });
  for (const frame of drawn) {
    for (const field of frame.fields) {
      field.display = getDisplayProcessor({ field, theme, timeZone: 'utc' });
      field.state = { ...field.state, displayName: getFieldDisplayName(field, frame, drawn) };
    }
  }
  return drawn;
}
