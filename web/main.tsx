import { render } from 'preact';
import { App } from './chat/app.tsx';
import './styles/base.css';
import './styles/layout.css';
import './styles/conversation.css';
import './styles/wire.css';

const root = document.getElementById('app');
if (root) render(<App />, root);
