"""Out of the laboratory: one ONNX file for live tools, and annotations on long recordings."""
