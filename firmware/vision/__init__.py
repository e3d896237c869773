"""Objects in the picture: detection, tracking and faces, one `Sight` per picture."""
