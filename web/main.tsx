import { render } from 'preact';
import { App } from './chat/app.tsx';
import './styles/base.css';
import './styles/controls.css';
import './styles/layout.css';
import './styles/panel.css';
import './styles/setup.css';
import './styles/side.css';
import './styles/conversation-bar.css';
import './styles/messages.css';
import './styles/asides.css';
import './styles/wire.css';

const root = document.getElementById('app');
if (root) render(<App />, root);
