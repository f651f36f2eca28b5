// One dashboard, drawn with the components of @grafana/ui: what a panel of a Grafana server shows, without the server.
import {
  EventBusSrv,
  ThemeContext,
  createTheme,
  dateTime,
  getDisplayValueAlignmentFactors,
  getFieldDisplayName,
  renderMarkdown,
  standardEditorsRegistry,
  standardFieldConfigEditorRegistry,
} from '@grafana/data';
import {
  BarGauge,
  BigValue,
  GlobalStyles,
  PanelChrome,
  PanelContextProvider,
  PortalContainer,
  TimeSeries,
  VizRepeater,
} from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

import { framesOf } from './frames.js';

standardEditorsRegistry.setInit(() => []);
standardFieldConfigEditorRegistry.setInit(() => []);

const WIDTH = 1600;
const CELL = 30;
const GAP = 8;
const theme = createTheme({ colors: { mode: 'dark' } });

const lastOf = (values) => values[values.length - 1];

function NoData({ text }) {
  return (
    <div data-no-data style={{ color: theme.colors.text.secondary, display: 'grid', placeItems: 'center', height: '100%', fontSize: 18 }}>
      {text || 'No data'}
    </div>
  );
}

function valuesOf(frames) {
  return frames.flatMap((frame) =>
    frame.fields
      .filter((field) => field.type === 'number')
      .map((field) => ({
        field,
        display: { ...field.display(lastOf(field.values)), title: getFieldDisplayName(field, frame, frames) },
      }))
  );
}

function Stat({ panel, frames, width, height }) {
  const values = valuesOf(frames);
  if (values.length === 0) {
    const empty = { numeric: NaN, text: panel.fieldConfig.defaults.noValue || 'No data', color: theme.colors.text.primary };
    return <BigValue value={empty} width={width} height={height} theme={theme} colorMode="value" graphMode="none" />;
  }
  return (
    <VizRepeater
      getValues={() => values}
      renderValue={({ value, width, height, alignmentFactors }) => (
        <BigValue
          value={values.length > 1 ? value.display : { ...value.display, title: undefined }}
          width={width}
          height={height}
          theme={theme}
          alignmentFactors={alignmentFactors}
          colorMode={panel.options.colorMode}
          graphMode="none"
          justifyMode="auto"
          textMode={values.length > 1 ? 'value_and_name' : 'value'}
        />
      )}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      source={frames}
      width={width}
      height={height}
      orientation="vertical"
      itemSpacing={4}
    />
  );
}

function Bars({ panel, frames, width, height }) {
  const values = valuesOf(frames);
  const biggest = Math.max(...values.map(({ display }) => display.numeric), 1e-9);
  return (
    <VizRepeater
      getValues={() => values}
      renderValue={({ value, width, height, alignmentFactors }) => (
        <BarGauge
          value={value.display}
          width={width}
          height={height}
          orientation="horizontal"
          displayMode={panel.options.displayMode}
          field={{ ...value.field.config, min: 0, max: panel.fieldConfig.defaults.max ?? biggest }}
          display={value.field.display}
          alignmentFactors={alignmentFactors}
          showUnfilled={panel.options.showUnfilled}
          theme={theme}
          itemSpacing={8}
          lcdCellWidth={12}
        />
      )}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      source={frames}
      width={width}
      height={height}
      orientation="horizontal"
      itemSpacing={8}
      minVizHeight={16}
    />
  );
}

function Content({ panel, frames, range, width, height }) {
  if (panel.type === 'text') {
    return (
      <div className="markdown-html" style={{ padding: 4 }} dangerouslySetInnerHTML={{ __html: renderMarkdown(panel.options.content) }} />
    );
  }
  if (panel.type === 'stat') {
    return <Stat panel={panel} frames={frames} width={width} height={height} />;
  }
  if (frames.length === 0 || frames.every((frame) => frame.length === 0)) {
    return <NoData text={panel.fieldConfig.defaults.noValue} />;
  }
  if (panel.type === 'timeseries') {
    return (
      <TimeSeries frames={frames} width={width} height={height} timeRange={range} timeZone="utc" legend={panel.options.legend} options={panel.options} />
    );
  }
  if (panel.type === 'bargauge') {
    return <Bars panel={panel} frames={frames} width={width} height={height} />;
  }
  return (
    <TableNG data={frames[0]} width={width} height={height} cellHeight={panel.options.cellHeight} timeRange={range} fieldConfig={panel.fieldConfig} disableSanitizeHtml={false} />
  );
}

function Panel({ panel, answers, range, stepMs }) {
  const [frames, setFrames] = useState(panel.targets ? null : []);
  useEffect(() => {
    if (panel.targets) {
      framesOf(panel, answers, theme, stepMs).then(setFrames);
    }
  }, []);
  const { x, y, w, h } = panel.gridPos;
  const cell = (WIDTH - 23 * GAP) / 24;
  const width = w * cell + (w - 1) * GAP;
  const height = h * CELL + (h - 1) * GAP;
  const place = { position: 'absolute', left: x * (cell + GAP), top: y * (CELL + GAP), width, height };
  if (panel.type === 'row') {
    return <h2 style={{ ...place, margin: 0, fontSize: 18, lineHeight: `${height}px`, color: theme.colors.text.maxContrast }}>{panel.title}</h2>;
  }
  return (
    <div style={place} data-panel={panel.title} data-type={panel.type} data-ready={frames !== null}>
      <PanelChrome title={panel.title} width={width} height={height} padding={panel.type === 'table' ? 'none' : 'md'}>
        {(innerWidth, innerHeight) =>
          frames && <Content panel={panel} frames={frames} range={range} width={innerWidth} height={innerHeight} />
        }
      </PanelChrome>
    </div>
  );
}

function Board({ story, name }) {
  const board = story.dashboards[name];
  const range = { from: dateTime(story.start * 1000), to: dateTime(story.end * 1000) };
  const rows = Math.max(...board.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <PanelContextProvider value={{ eventsScope: 'global', eventBus: new EventBusSrv() }}>
        <main style={{ width: WIDTH + 32, padding: 16, background: theme.colors.background.canvas }}>
          <h1 style={{ fontSize: 22, margin: '0 0 12px' }}>{board.title}</h1>
          <div style={{ position: 'relative', height: rows * (CELL + GAP) }}>
            {board.panels.map((panel) => (
              <Panel key={panel.id} panel={panel} answers={story.answers[name][panel.id]} range={range} stepMs={story.step * 1000} />
            ))}
          </div>
        </main>
        <PortalContainer />
      </PanelContextProvider>
    </ThemeContext.Provider>
  );
}

const name = new URLSearchParams(location.search).get('dashboard');
const story = await (await fetch('./story.json')).json();
createRoot(document.getElementById('root')).render(<Board story={story} name={name} />);
